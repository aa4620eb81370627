"""Access inside a cluster, widened: roles, bindings, service accounts and their tokens."""

from collections.abc import Iterator
from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import GONE, Family, Mutation, Target, ends
from tests.policy.attacks.properties import of_kinds
from tests.policy.attacks.stacks import FIRST
from tests.policy.attacks.tables import values

FAMILY = "rbac"
_GROUP = "rbac.authorization.k8s.io"
_WHERE: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {"name": "more", "namespace": f"{FIRST}-data"}),
    ("Cluster", {"name": "more"}),
)


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    yield from _roles(family)
    yield from _bindings(family)
    yield from _changed(family)
    yield from _accounts(family)
    yield from of_kinds(FAMILY, target, lambda kind: _GROUP in kind or kind == "k8s:core/ServiceAccount", most=1)


def _account(family: Family) -> Resource:
    return next(one for one in family.target.of("k8s:core/ServiceAccount") if one.name.startswith(FIRST))


def _object(family: Family, kind: str, metadata: dict[str, Any], **parts: Any) -> Resource:
    group = "v1" if kind in ("Secret", "ServiceAccount") else f"{_GROUP}/v1"
    type_ = f"kubernetes:{'core/v1' if group == 'v1' else group}:{kind}"
    props = {"apiVersion": group, "kind": kind, "metadata": metadata, **parts}
    return family.build(type_, "more", props, _account(family))


def _binding(family: Family, scope: str, metadata: dict[str, str], role: tuple[str, str], subject: Any) -> Resource:
    ref = {"apiGroup": _GROUP, "kind": role[0], "name": role[1]}
    entry = {**subject, **({"apiGroup": _GROUP} if subject["kind"] != "ServiceAccount" else {})}
    return _object(family, f"{scope}RoleBinding", metadata, roleRef=ref, subjects=[entry])


def _roles(family: Family) -> Iterator[Mutation]:
    workload = values("rbac_subjects")["a workload"]
    for told, rule in values("rbac_rules").items():
        for scope, metadata in _WHERE:
            role = _object(family, f"{scope}Role", metadata, rules=[rule])
            bound = _binding(family, scope, metadata, (f"{scope}Role", "more"), workload)
            yield family.add(f"a {scope}Role with {told}, bound to a workload", role, bound)
    every: dict[str, Any] = {"clusterRoleSelectors": [{"matchLabels": {}}]}
    collecting = _object(family, "ClusterRole", {"name": "more"}, aggregationRule=every, rules=[])
    bound = _binding(family, "Cluster", {"name": "more"}, ("ClusterRole", "more"), workload)
    yield family.add("a ClusterRole that collects every other, bound to a workload", collecting, bound)
    for name in ("admin", "edit", "view"):
        labelled = {"name": "more", "labels": {f"{_GROUP}/aggregate-to-{name}": "true"}}
        collected = _object(family, "ClusterRole", labelled, rules=[values("rbac_rules")["every secret"]])
        bound = _binding(family, "Cluster", {"name": "bound"}, ("ClusterRole", name), workload)
        yield family.add(f"a ClusterRole that {name} collects, bound to a workload", collected, bound)


def _bindings(family: Family) -> Iterator[Mutation]:
    for role in values("rbac_roles"):
        for told, subject in values("rbac_subjects").items():
            for scope, metadata in _WHERE:
                bound = _binding(family, scope, metadata, ("ClusterRole", role), subject)
                yield family.add(f"bind {role} to {told}", bound)


def _changed(family: Family) -> Iterator[Mutation]:
    for binding in ends(family.target.of(f"k8s:{_GROUP}/ClusterRoleBinding")):
        for told, subject in values("rbac_subjects").items():
            subjects = [*binding.props.get("subjects", []), subject]
            yield from family.put(binding, f"add {told} to the subjects", (("subjects",), subjects))
        for role in values("rbac_roles"):
            yield from family.put(binding, f"refer to {role}", (("roleRef", "name"), role))


def _accounts(family: Family) -> Iterator[Mutation]:
    role = ("metadata", "annotations", "eks.amazonaws.com/role-arn")
    for one in ends(family.target.of("k8s:core/ServiceAccount")):
        yield from family.put(one, "mount the token", (("automountServiceAccountToken",), True))
        yield from family.put(one, "mount the token by default", (("automountServiceAccountToken",), GONE))
        yield from family.put(
            one, "a role of AWS", (role, "arn:aws:iam::123456789012:role/hmlops-prod-shared-break-glass")
        )
    named = {"kubernetes.io/service-account.name": "ingestor"}
    metadata = {"name": "more", "namespace": f"{FIRST}-phi", "annotations": named}
    token = _object(family, "Secret", metadata, type="kubernetes.io/service-account-token")
    yield family.add("a token that does not end", token)
    for namespace in ("default", "kube-system", f"{FIRST}-phi"):
        yield family.add(
            "one more account", _object(family, "ServiceAccount", {"name": "more", "namespace": namespace})
        )
