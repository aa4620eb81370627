"""Who may reach whom, straight from the text of the NetworkPolicy API.

Written apart from the compiler, over the API's own JSON, without regard to speed: the real packets have to agree with
it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Edge:
    """One try to reach a port."""

    source: str
    target: str
    protocol: str
    port: int


@dataclass(frozen=True)
class Cluster:
    """API objects, and the addresses that pods have without the API saying so."""

    namespaces: list[Json]
    pods: list[Json]
    policies: list[Json]
    pod_cidr: str
    node: frozenset[str]

    def pod(self, address: str) -> Json | None:
        """Return the pod that has an address."""
        return next((pod for pod in self.pods if pod["status"].get("podIP") == address), None)

    def allowed(self, edge: Edge) -> bool:
        """Tell whether a connection may be made."""
        if edge.source in self.node or edge.source == edge.target:
            return True
        if any(self._unknown(address) for address in (edge.source, edge.target)):
            return False
        return self._side(edge, "Egress") and self._side(edge, "Ingress")

    def _unknown(self, address: str) -> bool:
        inside = ip_address(address) in ip_network(self.pod_cidr) and address not in self.node
        return inside and self.pod(address) is None

    def _side(self, edge: Edge, direction: str) -> bool:
        near, far = (edge.source, edge.target) if direction == "Egress" else (edge.target, edge.source)
        pod = self.pod(near)
        if pod is None:
            return True
        isolating = [policy for policy in self.policies if _applies(policy, pod, direction)]
        if not isolating:
            return True
        field, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        return any(
            self._peer(rule.get(peers), far, policy["metadata"]["namespace"]) and self._port(rule.get("ports"), edge)
            for policy in isolating
            for rule in policy["spec"].get(field) or []
        )

    def _peer(self, peers: list[Json] | None, address: str, own: str) -> bool:
        if not peers:
            return True
        return any(self._one_peer(peer, address, own) for peer in peers)

    def _one_peer(self, peer: Json, address: str, own: str) -> bool:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            return _inside(address, [block["cidr"]]) and not _inside(address, block.get("except") or [])
        pod = self.pod(address)
        if pod is None:
            return False
        namespace = pod["metadata"]["namespace"]
        if "namespaceSelector" in peer:
            labels = next(
                (n["metadata"]["labels"] for n in self.namespaces if n["metadata"]["name"] == namespace), None
            )
            if labels is None or not selects(peer["namespaceSelector"], labels):
                return False
        elif namespace != own:
            return False
        return "podSelector" not in peer or selects(peer["podSelector"], pod["metadata"]["labels"])

    def _port(self, ports: list[Json] | None, edge: Edge) -> bool:
        if not ports:
            return True
        return any(self._one_port(port, edge) for port in ports)

    def _one_port(self, port: Json, edge: Edge) -> bool:
        if port.get("protocol", "TCP") != edge.protocol:
            return False
        match port.get("port"):
            case None:
                return True
            case int(number):
                return number <= edge.port <= int(port.get("endPort", number))
            case name:
                return edge.port in self._numbers(name, edge)

    def _numbers(self, name: Any, edge: Edge) -> Iterable[int]:
        spec = (self.pod(edge.target) or {"spec": {}})["spec"]
        sidecars = [c for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"]
        for container in spec.get("containers", []) + sidecars:
            for port in container.get("ports", []):
                if port.get("name") == name and port.get("protocol", "TCP") == edge.protocol:
                    yield port["containerPort"]


def _applies(policy: Json, pod: Json, direction: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress"] + (["Egress"] if spec.get("egress") else [])
    return (
        direction in types
        and policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        and selects(spec.get("podSelector") or {}, pod["metadata"]["labels"])
    )


def _inside(address: str, networks: Iterable[str]) -> bool:
    return any(ip_address(address) in ip_network(network) for network in networks)


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector selects an object."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if key not in labels or labels[key] != value:
            return False
    for entry in selector.get("matchExpressions") or []:
        present, listed = entry["key"] in labels, labels.get(entry["key"]) in (entry.get("values") or [])
        holds = {
            "In": present and listed,
            "NotIn": not present or not listed,
            "Exists": present,
            "DoesNotExist": not present,
        }[entry["operator"]]
        if not holds:
            return False
    return True
