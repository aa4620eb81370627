"""Admission policies: every rule of the admission table is enforced in every zone, with values of other tables."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policy_pack.controls.rules import stack_check
from policy_pack.facts.admission import CLUSTER, Admission, AdmissionPolicy, admission
from policy_pack.facts.admission_table import AdmissionTable, RequiredPolicy, admission_table
from policy_pack.facts.secret_table import secret_table
from policy_pack.stack.checks import Findings, StackContext, not_yet_known, violation
from policy_pack.stack.kinds import BUCKET

_ADDED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_BUCKETS = re.compile(r"[a-z0-9][a-z0-9-]*-")
# Namespaces and rules that a message names.
_NAMED = 3


@stack_check("SEG-13")
def admission_refuses_what_the_pack_refuses(context: StackContext) -> Findings:
    """Require every rule of the admission table in the namespaces of every zone."""
    table, found = admission_table(), admission(context)
    if not found.zones:
        return
    for required in table.policies:
        yield from _policy(required, found)
    for policy in found.policies:
        yield from _values(policy, found, table, context)


def _policy(required: RequiredPolicy, found: Admission) -> Findings:
    """Yield the rules of a policy that are not enforced in all namespaces of zones."""
    wanted = {CLUSTER} if required.everywhere else found.zones
    weak = {policy: list(policy.weaknesses(required)) for policy in found.policies}
    missing: dict[str, set[str]] = {}
    candidates: list[AdmissionPolicy] = []
    for rule, expression in required.rules.items():
        having = [policy for policy in found.policies if policy.has(expression)]
        candidates += [policy for policy in having if policy not in candidates]
        enforced = {name for policy in having if not weak[policy] for name in policy.enforced}
        if wanted - enforced:
            missing[rule] = wanted - enforced
    if not missing:
        return
    if found.unknown:
        yield not_yet_known("spec", found.unknown[0])
        return
    names = sorted({name for some in missing.values() for name in some})
    where = "the cluster" if names == [CLUSTER] else _some(names)
    reasons = [fault for policy in candidates for fault in (*weak[policy], *policy.faults)]
    reason = f": {'; '.join(dict.fromkeys(reasons))}" if reasons else ""
    message = f"the rules {required.name} ({_some(sorted(missing))}) are not enforced in {where}{reason}"
    yield violation(message, "", candidates[0].resource if candidates else None)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


# --- values --------------------------------------------------------------------------------------
def _values(policy: AdmissionPolicy, found: Admission, table: AdmissionTable, context: StackContext) -> Findings:
    """Yield the values of a policy's variables that allow more than the tables."""
    checks = _checks(found, table, context)
    for name, expression in policy.variables().items():
        if name not in checks:
            continue
        try:
            value = json.loads(expression)
            good = checks[name](value)
        except (ValueError, KeyError, TypeError, AttributeError):
            good = False
        if not good:
            message = f"its variable {name} allows more than the tables of zones, workloads and services"
            yield violation(message, "spec.variables", policy.resource)


def _checks(found: Admission, table: AdmissionTable, context: StackContext) -> Mapping[str, Callable[[Any], bool]]:
    node_class = f"{context.settings.prefix}/node-class"

    def placed(toleration: Mapping[str, str]) -> bool:
        if toleration["key"] in _ADDED:
            return (toleration["operator"], toleration["value"], toleration["effect"]) == ("Exists", "", "NoExecute")
        return toleration["key"] == node_class and toleration["operator"] == "Equal" and toleration["value"] != ""

    def own_classes(by_zone: Mapping[str, Any]) -> bool:
        # Pools of a zone may share a class, and zones may not.
        classes = [one for value in by_zone.values() for one in set(value)]
        return len(classes) == len(set(classes))

    return {
        "accounts": lambda value: value == table.accounts,
        "audiences": lambda value: {key: tuple(own) for key, own in value.items()} == dict(table.audiences),
        "registries": lambda value: all(
            _is_registry(registry, zone, table, context) for zone, own in value.items() for registry in own
        ),
        "tagged": lambda value: all(
            image in table.gateway_images and zone == table.gateway_zone for zone, own in value.items() for image in own
        ),
        "priorities": lambda value: {key: tuple(own) for key, own in value.items()} == dict(table.priorities),
        "selectors": lambda value: (
            all(own.keys() <= {node_class} for pools in value.values() for own in pools.values())
            and own_classes(
                {zone: [one for own in pools.values() for one in own.values()] for zone, pools in value.items()}
            )
        ),
        "tolerations": lambda value: (
            all(placed(one) for pools in value.values() for own in pools.values() for one in own)
            and own_classes(
                {
                    zone: [one["value"] for own in pools.values() for one in own if one["key"] == node_class]
                    for zone, pools in value.items()
                }
            )
        ),
        "deployers": lambda value: bool(value) and set(value) <= table.people,
        "administrators": lambda value: bool(value) and set(value) <= table.people,
        "kserve": lambda value: value in table.kserve,
        **{name: _equals(constant) for name, constant in table.constants.items()},
        "injections": lambda value: value == secret_table().annotations,
        "agent_image": lambda value: _is_agent_image(value, context),
        "agent_script": lambda value: value in table.agent_scripts,
        "buckets": lambda value: _is_buckets(value, found, context),
    }


def _equals(constant: object) -> Callable[[Any], bool]:
    return lambda value: bool(value == constant)


def _is_registry(registry: str, zone: str, table: AdmissionTable, context: StackContext) -> bool:
    if zone == table.gateway_zone and registry in table.gateway_registries:
        return True
    allowed = context.settings.services.registries
    return registry.endswith("/") and any(fnmatchcase(f"{registry}image", pattern) for pattern in allowed)


def _is_agent_image(image: str, context: StackContext) -> bool:
    allowed = context.settings.services.registries
    return _DIGEST.search(image) is not None and any(fnmatchcase(image, pattern) for pattern in allowed)


def _is_buckets(value: str, found: Admission, context: StackContext) -> bool:
    """Return whether names of the hospitals' buckets of models begin so, as far as they are known."""
    names = set(_bucket_names(context))
    expected = {f"{value}{hospital}-models" for hospital in found.hospitals}
    return _BUCKETS.fullmatch(value) is not None and (not names or expected <= names)


def _bucket_names(context: StackContext) -> Iterator[str]:
    for bucket in context.graph.of(BUCKET):
        name = bucket.at("bucket")
        if name.known and not name.absent:
            yield name.text()
