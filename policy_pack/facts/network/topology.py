"""The network topology of a stack: its namespaces, its pods, and the NetworkPolicies that select them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from policy_pack.facts.network.policies import (
    EGRESS,
    INGRESS,
    NAMESPACE_NAME_LABEL,
    NetworkPolicy,
    Peer,
    PolicyRule,
    parse,
    policy_namespace,
)
from policy_pack.facts.network.ports import NamedPorts, named_ports
from policy_pack.facts.network.selectors import matches
from policy_pack.facts.zone_table import SHARED, ZoneTable
from policy_pack.stack.checks import Finding, StackContext, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE, NAMESPACE, NETWORK_POLICY, SERVING_RUNTIMES
from policy_pack.stack.pods import POD_OWNERS, containers, namespace, pod
from policy_pack.stack.values import NotKnownError, View

NAME_LABEL = "app.kubernetes.io/name"
ANY_NAMESPACE = "*"


@dataclass(frozen=True, eq=False)
class Namespace:
    """A namespace with its labels, its hospital and its zone."""

    name: str
    labels: Mapping[str, str]
    hospital: str
    zone: str


@dataclass(eq=False)
class PodGroup:
    """The pods of one workload in one namespace, with the rules of the policies that select them.

    Parameters
    ----------
    namespace, labels
        Where the pods are, and their labels.
    named_ports
        Container ports by name; None where the containers are not known, or are declared elsewhere.
    resource
        The resource that declares the pods; None for a workload that the stack does not declare yet.
    egress, ingress
        The rules that apply, each with its policy.
    isolated
        The directions in which a policy isolates the pods.
    """

    namespace: Namespace
    labels: Mapping[str, str]
    named_ports: NamedPorts | None
    resource: Resource | None
    egress: list[tuple[NetworkPolicy, PolicyRule]] = field(default_factory=list)
    ingress: list[tuple[NetworkPolicy, PolicyRule]] = field(default_factory=list)
    isolated: set[str] = field(default_factory=set)

    @property
    def workload(self) -> str:
        """The name of the workload; empty where the pods have no such label."""
        return self.labels.get(NAME_LABEL, "")

    @property
    def label(self) -> str:
        """The text for messages: namespace and workload."""
        return f"{self.namespace.name}/{self.workload or (self.resource.name if self.resource else '?')}"


@dataclass
class Topology:
    """Namespaces, pods and policies of a stack.

    Parameters
    ----------
    namespaces
        Namespaces by name.
    pod_groups
        Pods that the stack declares, and those of the zone table's workloads that it does not declare yet.
    by_namespace
        The same by namespace.
    policies
        The policies that are known.
    unknown
        Namespaces with a policy that is not known yet; ``*`` where the namespace is not known either.
    findings
        Violations and unknown values of the resources themselves.
    pod_network
        The network of pods; empty where the configuration does not have it.
    """

    namespaces: dict[str, Namespace] = field(default_factory=dict)
    pod_groups: list[PodGroup] = field(default_factory=list)
    by_namespace: dict[str, list[PodGroup]] = field(default_factory=lambda: defaultdict(list))
    policies: list[NetworkPolicy] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    pod_network: str = ""

    def selected_namespaces(self, peer: Peer) -> Iterator[Namespace]:
        """Return the namespaces that a peer's namespace selector matches."""
        selector, wanted = peer.namespace_selector or {}, peer.namespace_names
        if wanted is None:
            candidates = list(self.namespaces.values())
        else:
            candidates = [self.namespaces[name] for name in sorted(wanted) if name in self.namespaces]
        return (candidate for candidate in candidates if matches(selector, candidate.labels))

    def selected_pods(self, peer: Peer, policy: NetworkPolicy) -> Iterator[PodGroup]:
        """Return the pods that a peer selects; without a namespace selector they are in the policy's namespace."""
        selector = peer.namespace_selector
        names = [policy.namespace] if selector is None else [one.name for one in self.selected_namespaces(peer)]
        for name in names:
            yield from (group for group in self.by_namespace.get(name, ()) if matches(peer.pod_selector, group.labels))

    def is_unknown(self, name: str) -> bool:
        """Return whether a policy of a namespace is not known yet."""
        return bool({ANY_NAMESPACE, name} & self.unknown)

    def declares(self, peer: Peer) -> bool:
        """Return whether a peer selects namespaces by name, and the stack declares all of them."""
        return peer.namespace_names is not None and peer.namespace_names <= self.namespaces.keys()


def topology(context: StackContext, table: ZoneTable) -> Topology:
    """Return the topology of a stack, computed once."""
    result: Topology = context.graph.memo("network topology", lambda _: _topology(context, table))
    return result


def _topology(context: StackContext, table: ZoneTable) -> Topology:
    result = Topology(pod_network=context.addresses.pods if context.addresses else "")
    for resource in context.graph.of(NAMESPACE):
        _add_namespace(result, resource, context)
    runtimes = _runtime_containers(context)
    # Pods of equal labels and ports are one group.
    declared: dict[tuple[object, ...], PodGroup] = {}
    for resource in context.graph.of(*POD_OWNERS):
        try:
            group = _pod_group(result, resource, runtimes)
        except NotKnownError as unknown:
            result.findings.append(not_yet_known(unknown.path, resource))
            continue
        if group is None:
            result.findings.append(violation("is in a namespace that this stack does not declare", "", resource))
            continue
        ports = None if group.named_ports is None else tuple(sorted(group.named_ports.items()))
        declared.setdefault((group.namespace.name, tuple(sorted(group.labels.items())), ports), group)
    result.pod_groups = [*declared.values(), *_expected(result, declared.values(), table, context)]
    for group in result.pod_groups:
        result.by_namespace[group.namespace.name].append(group)
    for resource in context.graph.of(NETWORK_POLICY):
        _add_policy(result, resource, context)
    return result


def _add_namespace(result: Topology, resource: Resource, context: StackContext) -> None:
    try:
        name = resource.at("metadata.name").text()
        labels = {**(resource.at("metadata.labels").whole() or {}), NAMESPACE_NAME_LABEL: name}
    except NotKnownError as unknown:
        result.findings.append(not_yet_known(unknown.path, resource))
        result.unknown.add(ANY_NAMESPACE)
        return
    prefix = context.settings.prefix
    hospital, zone = labels.get(f"{prefix}/hospital", ""), labels.get(f"{prefix}/zone", "")
    result.namespaces[name] = Namespace(name, labels, hospital, zone)


def _runtime_containers(context: StackContext) -> dict[tuple[str, str], list[View]]:
    """Return the containers of model servers, which KServe takes from their ServingRuntime, by namespace and name."""
    return {
        (namespace(runtime).text() if namespace(runtime).known else "", runtime.at("metadata.name").text()): [
            container.view for container in containers(runtime)
        ]
        for runtime in context.graph.of(*SERVING_RUNTIMES)
        if runtime.at("metadata.name").known
    }


def _pod_group(result: Topology, resource: Resource, runtimes: Mapping[tuple[str, str], list[View]]) -> PodGroup | None:
    own = result.namespaces.get(namespace(resource).text())
    if own is None:
        return None
    declared, known = [one.view for one in containers(resource) if not _ends_before_the_pod_serves(one.view)], True
    if resource.kind == INFERENCE_SERVICE:
        runtime = resource.at("spec.predictor.model.runtime").text()
        found = runtimes.get((own.name, runtime), runtimes.get(("", runtime)))
        declared += found or []
        known = found is not None
    labels = {str(key): str(value) for key, value in (pod(resource).labels.whole() or {}).items()}
    return PodGroup(own, labels, named_ports(declared) if known else None, resource)


def _ends_before_the_pod_serves(container: View) -> bool:
    """Return whether it is an init container, and no sidecar; its ports have no names for policies."""
    return ".initContainers[" in f".{container.path}" and container.at("restartPolicy").value != "Always"


def _expected(
    result: Topology, declared: Iterable[PodGroup], table: ZoneTable, context: StackContext
) -> Iterator[PodGroup]:
    """Return pods of the zone table's workloads that are not declared yet: a release or a run may create them."""
    present = {(group.namespace.name, group.workload) for group in declared}
    prefix = context.settings.prefix
    for own in result.namespaces.values():
        for workload, zone in table.workload_zones.items():
            if own.zone == zone and own.hospital not in ("", SHARED) and (own.name, workload) not in present:
                labels = {f"{prefix}/hospital": own.hospital, f"{prefix}/zone": zone, NAME_LABEL: workload}
                yield PodGroup(own, labels, None, None)


def _add_policy(result: Topology, resource: Resource, context: StackContext) -> None:
    """Add the rules of a policy to the pods that it selects."""
    name = policy_namespace(resource, context.graph)
    try:
        policy = parse(resource, name or ANY_NAMESPACE)
    except NotKnownError as unknown:
        result.unknown.add(name or ANY_NAMESPACE)
        result.findings.append(not_yet_known(unknown.path, resource))
        return
    if name is None:
        result.unknown.add(ANY_NAMESPACE)
        result.findings.append(not_yet_known("metadata.namespace", resource))
        return
    result.policies.append(policy)
    for group in result.by_namespace.get(name, ()):
        if matches(policy.pod_selector, group.labels):
            _add_rules(group, policy)


def _add_rules(group: PodGroup, policy: NetworkPolicy) -> None:
    group.isolated |= policy.types
    if EGRESS in policy.types:
        group.egress += [(policy, rule) for rule in policy.egress]
    if INGRESS in policy.types:
        group.ingress += [(policy, rule) for rule in policy.ingress]
