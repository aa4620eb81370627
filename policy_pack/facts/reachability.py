"""Who can reach whom: namespaces, pods and policies of a stack, put together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy_pack.facts.network_policies import HOME_LABEL, NAME_LABEL, Home, Node, Policy, policy, ports_of, selects
from policy_pack.facts.zone_table import SHARED, Zones
from policy_pack.stack.checks import About, Finding, fault, later
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE, NAMESPACE, NETWORK_POLICY, RUNTIMES
from policy_pack.stack.pods import WHOLE, containers, namespace, pod
from policy_pack.stack.values import NotKnownError, View


@dataclass
class Flows:
    """The parts of the proof.

    Parameters
    ----------
    homes
        Namespaces by name.
    nodes
        Pods that the stack declares, and those of the table's workloads that it does not declare yet.
    by_home
        The same by namespace.
    unclear
        Namespaces of which some policy is not known yet; ``*`` where its namespace is not known either.
    findings
        What is wrong with, or not known of, the parts themselves.
    """

    homes: dict[str, Home] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    by_home: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    unclear: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def matching(self, selector: Mapping[str, Any]) -> Iterator[Home]:
        """Return the namespaces that a selector is true of."""
        name = (selector.get("matchLabels") or {}).get(HOME_LABEL)
        among = [self.homes[name]] if name in self.homes else [] if name else list(self._likely(selector))
        return (home for home in among if selects(selector, home.labels))

    def _likely(self, selector: Mapping[str, Any]) -> list[Home]:
        """Return the namespaces that carry one of the labels asked for: many hospitals are never walked for one."""
        pairs = list((selector.get("matchLabels") or {}).items())
        if not pairs:
            return list(self.homes.values())
        index = self._labelled
        return min((index.get(pair, []) for pair in pairs), key=len)

    @property
    def _labelled(self) -> dict[tuple[str, str], list[Home]]:
        if not self._index:
            for home in self.homes.values():
                for pair in home.labels.items():
                    self._index[pair].append(home)
        return self._index

    _index: dict[tuple[str, str], list[Home]] = field(default_factory=lambda: defaultdict(list))


def flows(about: About, table: Zones) -> Flows:
    """Put the parts of a stack together."""
    found = Flows()
    for resource in about.graph.of(NAMESPACE):
        _home(found, resource, about)
    servers = _servers(about)
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], Node] = {}
    for resource in about.graph.of(*WHOLE):
        try:
            node = _node(found, resource, servers)
        except NotKnownError as unknown:
            found.findings.append(later(unknown.path, resource))
            continue
        if node is None:
            found.findings.append(fault("is in a namespace that this stack does not declare", "", resource))
            continue
        seen.setdefault((node.home.name, tuple(sorted(node.labels.items()))), node)
    found.nodes = [*seen.values(), *_expected(found, seen.values(), table, about)]
    for node in found.nodes:
        found.by_home[node.home.name].append(node)
    for resource in about.graph.of(NETWORK_POLICY):
        _apply(found, resource, about)
    return found


def _home(found: Flows, resource: Resource, about: About) -> None:
    try:
        name = resource.at("metadata.name").text()
        labels = {**(resource.at("metadata.labels").whole() or {}), HOME_LABEL: name}
    except NotKnownError as unknown:
        found.findings.append(later(unknown.path, resource))
        found.unclear.add("*")
        return
    prefix = about.settings.prefix
    found.homes[name] = Home(name, labels, labels.get(f"{prefix}/hospital", ""), labels.get(f"{prefix}/zone", ""))


def _servers(about: About) -> dict[tuple[str, str], list[View]]:
    """Return the containers of model servers, which KServe takes from their runtime."""
    return {
        (namespace(runtime).text() if namespace(runtime).known else "", runtime.at("metadata.name").text()): list(
            containers(runtime)
        )
        for runtime in about.graph.of(*RUNTIMES)
        if runtime.at("metadata.name").known
    }


def _node(found: Flows, resource: Resource, servers: dict[tuple[str, str], list[View]]) -> Node | None:
    home = found.homes.get(namespace(resource).text())
    if home is None:
        return None
    declared = list(containers(resource))
    if resource.kind == INFERENCE:
        runtime = resource.at("spec.predictor.model.runtime").text()
        declared += servers.get((home.name, runtime), servers.get(("", runtime), []))
    labels = {str(key): str(value) for key, value in (pod(resource).labels.whole() or {}).items()}
    return Node(home, labels, ports_of(declared), resource)


def _expected(found: Flows, seen: Any, table: Zones, about: About) -> Iterator[Node]:
    """Return pods of the table's workloads that are not declared: a release, or a run, may bring them any day."""
    there = {(node.home.name, node.workload) for node in seen}
    prefix = about.settings.prefix
    for home in found.homes.values():
        for workload, zone in table.homes.items():
            if home.zone == zone and home.hospital not in ("", SHARED) and (home.name, workload) not in there:
                own = {f"{prefix}/hospital": home.hospital, f"{prefix}/zone": zone}
                yield Node(home, {**own, NAME_LABEL: workload}, {}, None)


def _apply(found: Flows, resource: Resource, about: About) -> None:
    """Put a policy on the pods that it selects."""
    place = namespace(resource)
    home = place.text() if place.known else ""
    if not place.known:
        target = about.graph.target(resource, "metadata", (NAMESPACE,), ("metadata.name",))
        name = target.at("metadata.name") if target else place
        home = name.text() if name.known else "*"
    try:
        made = policy(resource, home)
    except NotKnownError as unknown:
        found.unclear.add(home)
        found.findings.append(later(unknown.path, resource))
        return
    if home == "*":
        found.unclear.add(home)
        found.findings.append(later("metadata.namespace", resource))
        return
    for node in found.by_home.get(home, ()):
        if selects(made.selector, node.labels):
            _put(node, made)


def _put(node: Node, made: Policy) -> None:
    node.closed |= made.types
    if "Egress" in made.types:
        node.egress += [(made, rule) for rule in made.egress]
    if "Ingress" in made.types:
        node.ingress += [(made, rule) for rule in made.ingress]
