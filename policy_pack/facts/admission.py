"""Admission policies of a stack: which rules are enforced, and in which namespaces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy_pack.facts.admission_table import RequiredPolicy
from policy_pack.facts.network.policies import NAMESPACE_NAME_LABEL
from policy_pack.facts.network.selectors import matches, matches_all
from policy_pack.facts.zone_table import SHARED
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import ADMISSION_BINDING, ADMISSION_POLICY, NAMESPACE
from policy_pack.stack.values import NotKnownError

Json = Mapping[str, Any]
# Stands for the whole cluster, beside the names of namespaces.
CLUSTER = "*"


@dataclass(frozen=True, eq=False)
class AdmissionPolicy:
    """A ValidatingAdmissionPolicy with the namespaces in which a binding denies what it refuses.

    Parameters
    ----------
    resource, spec
        The policy.
    enforced
        Names of namespaces; `CLUSTER` where a binding has no selector.
    faults
        Why bindings of the policy enforce nothing, or less.
    """

    resource: Resource
    spec: Json
    enforced: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def has(self, expression: str) -> bool:
        """Return whether an expression is one of its validations."""
        return any(one.get("expression") == expression for one in self.spec.get("validations") or ())

    def variables(self) -> dict[str, str]:
        """Return the expressions of its variables."""
        return {str(one["name"]): str(one["expression"]) for one in self.spec.get("variables") or ()}

    def weaknesses(self, required: RequiredPolicy) -> Iterator[str]:
        """Yield why the policy does not refuse all that it should, whatever its bindings are."""
        if self.spec.get("failurePolicy") not in (None, "Fail"):
            yield f"its failurePolicy is {self.spec['failurePolicy']}"
        if self.spec.get("paramKind"):
            yield "it has a paramKind, whose objects can change it"
        constraints = self.spec.get("matchConstraints") or {}
        yield from _limits(constraints, "matchConstraints")
        if not matches_all(constraints.get("namespaceSelector") or {}):
            yield "its matchConstraints have a namespaceSelector"
        missing = sorted(_uncovered(required, constraints.get("resourceRules") or ()))
        if missing:
            yield f"it does not judge {', '.join(missing)}"
        for condition in self.spec.get("matchConditions") or ():
            if condition.get("expression") != required.condition:
                yield f"its match condition {condition.get('name')} is not in the admission table"
        for name, expression in self.variables().items():
            written = required.variables.get(name)
            if written is not None and expression != written:
                yield f"its variable {name} is not that of the admission table"


@dataclass
class Admission:
    """Admission policies of a stack, the namespaces of zones, and resources whose values are not known yet."""

    policies: list[AdmissionPolicy] = field(default_factory=list)
    zones: set[str] = field(default_factory=set)
    hospitals: set[str] = field(default_factory=set)
    unknown: list[Resource] = field(default_factory=list)


def admission(context: StackContext) -> Admission:
    """Return the admission policies of a stack, computed once."""
    result: Admission = context.graph.memo("admission", lambda _: _admission(context))
    return result


def _admission(context: StackContext) -> Admission:
    result, namespaces, by_name = Admission(), _namespaces(context), {}
    for name, labels in namespaces.items():
        hospital = labels.get(f"{context.settings.prefix}/hospital", "")
        if labels.get(f"{context.settings.prefix}/zone") and hospital not in ("", SHARED):
            result.zones.add(name)
            result.hospitals.add(hospital)
    for resource in context.graph.of(ADMISSION_POLICY):
        try:
            name = resource.at("metadata.name").text()
            by_name[name] = AdmissionPolicy(resource, resource.at("spec").whole() or {})
        except NotKnownError:
            result.unknown.append(resource)
    for resource in context.graph.of(ADMISSION_BINDING):
        try:
            spec = resource.at("spec").whole() or {}
        except NotKnownError:
            result.unknown.append(resource)
            continue
        policy = by_name.get(str(spec.get("policyName")))
        if policy is not None:
            _bind(policy, resource, spec, namespaces)
    result.policies = list(by_name.values())
    return result


def _namespaces(context: StackContext) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for resource in context.graph.of(NAMESPACE):
        try:
            name = resource.at("metadata.name").text()
            found[name] = {**(resource.at("metadata.labels").whole() or {}), NAMESPACE_NAME_LABEL: name}
        except NotKnownError:
            continue
    return found


def _bind(policy: AdmissionPolicy, resource: Resource, spec: Json, namespaces: Mapping[str, Mapping[str, str]]) -> None:
    """Add the namespaces in which a binding denies what its policy refuses."""
    found = spec.get("matchResources") or {}
    faults = [f"{resource.name} {fault}" for fault in _binding_faults(spec, found)]
    policy.faults.extend(faults)
    if faults:
        return
    selector = found.get("namespaceSelector") or {}
    if matches_all(selector):
        policy.enforced.add(CLUSTER)
        policy.enforced.update(namespaces)
    else:
        policy.enforced.update(name for name, labels in namespaces.items() if matches(selector, labels))


def _binding_faults(spec: Json, found: Json) -> Iterator[str]:
    actions = spec.get("validationActions") or ()
    if "Deny" not in actions:
        yield f"does not deny (validationActions: {', '.join(map(str, actions)) or 'none'})"
    if spec.get("paramRef"):
        yield "has a paramRef"
    if found.get("resourceRules"):
        yield "limits the resources"
    yield from _limits(found, "matchResources")


def _limits(found: Json, where: str) -> Iterator[str]:
    """Yield the fields of matchConstraints or matchResources that leave requests out."""
    if found.get("excludeResourceRules"):
        yield f"{where} exclude resources"
    if not matches_all(found.get("objectSelector") or {}):
        yield f"{where} have an objectSelector, whose labels the requester chooses"
    if found.get("matchPolicy") not in (None, "Equivalent"):
        yield f"{where} have the matchPolicy {found['matchPolicy']}"


def _uncovered(required: RequiredPolicy, rules: Any) -> Iterator[str]:
    """Yield the requests that no resource rule covers."""
    for group, resource in required.resources:
        for operation in required.operations:
            if not any(_covers(rule, group, resource, operation) for rule in rules):
                yield f"{operation} of {group}/{resource}" if group else f"{operation} of {resource}"


def _covers(rule: Json, group: str, resource: str, operation: str) -> bool:
    name, _, subresource = resource.partition("/")
    resources = {resource, "*/*", f"{name}/*" if subresource else "*"}
    return (
        bool({group, "*"} & set(rule.get("apiGroups") or ()))
        and "*" in (rule.get("apiVersions") or ())
        and bool({operation, "*"} & set(rule.get("operations") or ()))
        and bool(resources & set(rule.get("resources") or ()))
        and not rule.get("resourceNames")
        and rule.get("scope") in (None, "*")
    )
