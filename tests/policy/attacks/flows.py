"""Network flows, widened: policies in every way that the API allows, added and removed; and pods that pretend."""

from collections.abc import Iterator
from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import GONE, Family, Mutation, Step, Target, get
from tests.policy.attacks.stacks import FIRST, SECOND, crossed
from tests.policy.attacks.tables import values

FAMILY = "flows"
_POLICY = "k8s:networking.k8s.io/NetworkPolicy"
_APP = "app.kubernetes.io/name"
_SELECTORS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("every pod", {}),
    ("pods with a name", {"matchExpressions": [{"key": _APP, "operator": "Exists"}]}),
    ("pods without a label", {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}),
    ("no pod", {"matchLabels": {"x": "nothing"}}),
    ("all names", {"matchExpressions": [{"key": _APP, "operator": "NotIn", "values": ["x"]}]}),
)
_WAYS = (("ingress", "from", "Ingress"), ("egress", "to", "Egress"))


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    policies = [one for one in target.of(_POLICY) if not one.name.startswith(SECOND)]
    for policy in policies:
        yield family.drop(policy, f"remove {policy.name}")
    for policy in policies[:: max(1, len(policies) // 12)]:
        yield from _scope(family, policy)
        for direction, way, _ in _WAYS:
            yield from _rules(family, policy, direction, way)
    yield from _added(family)
    yield from _namespaces(family)
    yield from _pods(family)


def _scope(family: Family, policy: Resource) -> Iterator[Mutation]:
    selector = get(policy.props, ("spec", "podSelector")) or {}
    for told, other in _SELECTORS:
        yield from family.put(policy, f"{policy.name}: podSelector of {told}", (("spec", "podSelector"), other))
    for key in selector.get("matchLabels", {}):
        place = ("spec", "podSelector", "matchLabels", key)
        yield from family.put(policy, f"{policy.name}: podSelector without one label", (place, GONE))
    for types in (["Ingress"], ["Egress"], []):
        told = " and ".join(types) or "none"
        yield from family.put(policy, f"{policy.name}: policyTypes {told}", (("spec", "policyTypes"), types))
    yield from family.put(policy, f"{policy.name}: no policyTypes", (("spec", "policyTypes"), GONE))
    for namespace in (f"{SECOND}-phi", "default"):
        yield from family.put(policy, f"{policy.name}: in another namespace", (("metadata", "namespace"), namespace))


def _rules(family: Family, policy: Resource, direction: str, way: str) -> Iterator[Mutation]:
    rules = get(policy.props, ("spec", direction))
    if not rules:
        yield from family.put(policy, f"{direction}: a rule for everything", (("spec", direction), [{}]))
        for told, peer in values("network_peers").items():
            yield from family.put(policy, f"{direction}: a rule for {told}", (("spec", direction), [{way: [peer]}]))
        return
    at: tuple[Step, ...] = ("spec", direction, 0)
    peers = get(rules[0], (way,)) or []
    yield from family.put(policy, f"{direction}: a second rule for everything", (("spec", direction), [*rules, {}]))
    yield from family.put(policy, f"{direction}: no peers", ((*at, way), GONE))
    yield from family.put(policy, f"{direction}: empty peers", ((*at, way), []))
    yield from family.put(policy, f"{direction}: no ports", ((*at, "ports"), GONE))
    for told, peer in values("network_peers").items():
        yield from family.put(policy, f"{direction}: {told} too", ((*at, way), [*peers, peer]))
    for told, ports in values("network_ports").items():
        yield from family.put(policy, f"{direction}: {told}", ((*at, "ports"), ports))
    for peer in peers[:1]:
        for part in ("namespaceSelector", "podSelector"):
            if part in peer:
                yield from family.put(policy, f"{direction}: without {part}", ((*at, way, 0, part), GONE))
                yield from family.put(policy, f"{direction}: {part} of all", ((*at, way, 0, part), {}))
        if crossed(peer) != peer:
            yield from family.put(policy, f"{direction}: the other hospital", ((*at, way, 0), crossed(peer)))
            yield from family.put(policy, f"{direction}: the other hospital too", ((*at, way), [*peers, crossed(peer)]))


def _added(family: Family) -> Iterator[Mutation]:
    like, version = family.target.of(_POLICY)[-1], "networking.k8s.io/v1"
    for zone in ("phi", "data", "serving", "platform"):
        for direction, way, type_ in _WAYS:
            for told, peer in values("network_peers").items():
                spec = {"podSelector": {}, "policyTypes": [type_], direction: [{way: [peer]} if peer else {}]}
                metadata = {"name": "more", "namespace": f"{FIRST}-{zone}"}
                props = {"apiVersion": version, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
                new = family.build(f"kubernetes:{version}:NetworkPolicy", "more", props, like)
                yield family.add(f"a policy in {zone}: {direction} of {told}", new)


def _namespaces(family: Family) -> Iterator[Mutation]:
    """Return namespaces that bear a hospital's labels."""
    [source] = [one for one in family.target.of("k8s:core/Namespace") if one.name == f"{FIRST}-phi"]
    for name in ("stranger", f"{FIRST}-more", "default"):
        props = {**source.props, "metadata": {**source.props["metadata"], "name": name}}
        new = family.build(source.type, "more", props, source)
        yield family.add(f"a namespace {name} with a zone's labels", new)
    plain = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stranger"}}
    yield family.add("a namespace without labels", family.build(source.type, "more", plain, source))


def _pods(family: Family) -> Iterator[Mutation]:
    """Return pods that bear another workload's labels, or stand elsewhere."""
    job = next(one for one in family.target.of("k8s:batch/CronJob") if one.name.startswith(FIRST))
    for namespace in ("default", "kube-system", f"{SECOND}-phi", f"{FIRST}-serving", "stranger"):
        yield from family.put(job, f"the job in {namespace}", (("metadata", "namespace"), namespace))
    labels = ("spec", "jobTemplate", "spec", "template", "metadata", "labels")
    for name in ("planner", "envoy", "ingestor", "model-server", "trainer", "kube-dns", "unheard-of"):
        yield from family.put(job, f"the job's pod named {name}", ((*labels, _APP), name))
    yield from family.put(job, "the job's pod without labels", (labels, GONE))
