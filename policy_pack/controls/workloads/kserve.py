"""Annotations by which KServe makes other objects and pods than the stack declares (``kserve.yaml``)."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.controls.rules import resource_check
from policy_pack.stack.checks import Findings, expect, guarded, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE
from policy_pack.stack.pods import CONTAINER_OWNERS, pods
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("kserve.yaml")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class KServeAnnotations:
    """Annotations that objects may have; ``kserve.yaml`` documents the fields."""

    annotations: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    domains: tuple[str, ...]

    def concerns(self, name: str) -> bool:
        """Return whether an annotation is of KServe or Knative."""
        domain = name.partition("/")[0]
        return any(domain == one or domain.endswith(f".{one}") for one in self.domains)


@cache
def kserve_annotations() -> KServeAnnotations:
    """Return the table."""
    return tables.read(TypeAdapter(KServeAnnotations).validate_python, TABLE)


@resource_check("CM-01", *CONTAINER_OWNERS)
def annotations_of_kserve_are_described(resource: Resource) -> Findings:
    """Refuse annotations of KServe and Knative that the table does not have, on objects and on their pods."""
    for holder in _holders(resource):
        yield from guarded(_annotations(holder), holder.path)


def _holders(resource: Resource) -> Iterator[View]:
    yield resource.at("metadata.annotations")
    yield from (declared.annotations for declared in pods(resource))


def _annotations(holder: View) -> Findings:
    table = kserve_annotations()
    for name, value in holder.fields():
        if not table.concerns(name):
            continue
        allowed = table.annotations.get(name)
        if allowed is None:
            yield violation(f"{name} changes what KServe makes of it, and kserve.yaml does not have it", value.path)
        else:
            yield from expect(value, one_of(*allowed), f"{name} is not {' or '.join(allowed)}")


@resource_check("SEG-12", INFERENCE_SERVICE)
def models_are_plain_deployments(service: Resource) -> Findings:
    """Require the annotations without which KServe makes pods with a proxy and routes beside the gateway."""
    annotations = service.at("metadata.annotations")
    for name in kserve_annotations().required:
        allowed = kserve_annotations().annotations[name]
        if annotations.key(name).absent:
            message = f"has no annotation {name}, so its controller chooses; set it to {' or '.join(allowed)}"
            yield violation(message, annotations.key(name).path)
