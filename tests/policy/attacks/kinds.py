"""Resources of every kind that the installed SDKs have and the stacks do not, `…Patch` and custom kinds included."""

from collections.abc import Iterator
from typing import Any

from tests.policy.attacks import sdk
from tests.policy.attacks.mutation import Family, Mutation, Target
from tests.policy.attacks.stacks import FIRST
from tests.policy.attacks.tables import values

FAMILY = "kinds"


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    here = {resource.type for resource in target.resources}
    for package in ("pulumi_kubernetes", "pulumi_aws", "pulumi_vault"):
        for type_ in sdk.kinds(package):
            if type_ not in here and not type_.endswith("List"):
                yield family.add("add a resource of the kind", family.build(type_, "more", _props(type_)))
    for name in values("custom_kinds"):
        type_ = f"kubernetes:{name}"
        yield family.add("add a custom resource", family.build(type_, "more", {**_props(type_), "spec": {}}))
    for type_ in values("other_kinds"):
        yield family.add("add a resource of another provider", family.build(type_, "more", {}))


def _props(type_: str) -> dict[str, Any]:
    """Return the least that a resource of a kind has."""
    package, module, kind = type_.split(":")
    if package == "kubernetes":
        metadata = {"name": "more", "namespace": f"{FIRST}-phi"}
        return {"apiVersion": module.removeprefix("core/"), "kind": kind.removesuffix("Patch"), "metadata": metadata}
    return {"name": "more"}
