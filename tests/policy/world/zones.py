"""The zones of a hospital in the compliant stack: Namespaces and NetworkPolicies."""

from typing import Any

from policy_pack.facts.zone_table import zones
from policy_pack.stack.graph import Resource
from tests.policy.builders import PREFIX, build
from tests.policy.world.pods import by_name, labels, meta

CLINIC = "10.50.0.0/24"
PLACES = {"aws": "10.40.0.0/16:443", "vault": "10.41.0.0/24:8200", "fhir": "10.50.0.0/24:443"}


def namespace(hospital: str, zone: str) -> list[Resource]:
    name = f"{hospital}-{zone}"
    own = {
        **labels(hospital, zone),
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "v1.34",
        f"{PREFIX}/data-class": zones().holds[zone],
        f"{PREFIX}/data-passes": zones().passes[zone],
        f"{PREFIX}/owner": "platform",
        f"{PREFIX}/phi": "true",
        "istio-injection": "enabled",
    }
    notes = {f"{PREFIX}/{key}": "told" for key in ("baa", "security-contact", "notify")}
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return [
        build("kubernetes:core/v1:Namespace", name, {"metadata": {"name": name, "labels": own, "annotations": notes}}),
        build(
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            f"{name}-default-deny",
            {"metadata": meta("default-deny", hospital, zone), "spec": closed},
        ),
        build(
            "kubernetes:core/v1:ResourceQuota",
            name,
            {"metadata": meta("quota", hospital, zone), "spec": {"hard": {"pods": "20"}}},
        ),
        build(
            "kubernetes:core/v1:LimitRange",
            name,
            {"metadata": meta("limits", hospital, zone), "spec": {"limits": [{"type": "Container"}]}},
        ),
        build(
            "kubernetes:security.istio.io/v1:PeerAuthentication",
            name,
            {
                "metadata": meta("default", hospital, zone),
                "spec": {"mtls": {"mode": "STRICT"}},
            },
        ),
    ]


def opening(
    hospital: str, workload: str, other: str, direction: str, peer: dict[str, Any], ports: list[dict[str, Any]]
) -> Resource:
    zone = zones().workload_zones[workload]
    name = f"{workload}-{'to' if direction == 'Egress' else 'from'}-{other}"
    field, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    spec = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": workload}},
        "policyTypes": [direction],
        field: [{side: [peer], "ports": ports}],
    }
    return build(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        f"{hospital}-{name}",
        {"metadata": meta(name, hospital, zone), "spec": spec},
    )


def policies(hospital: str) -> list[Resource]:
    """Return both ends of every flow of the zone table."""
    table, found = zones(), []
    dns = {
        "namespaceSelector": by_name("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    for flow in table.flows:
        if flow.source in table.endpoints:
            if flow.source == "clinic":
                block = {"ipBlock": {"cidr": CLINIC}}
                found.append(opening(hospital, flow.target, "clinic", "Ingress", block, [{"port": flow.port}]))
            continue
        if flow.target in table.endpoints:
            if flow.target == "dns":
                ports = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
                found.append(opening(hospital, flow.source, "dns", "Egress", dns, ports))
            elif flow.target in PLACES:
                network, _, port = PLACES[flow.target].rpartition(":")
                block = {"ipBlock": {"cidr": network}}
                found.append(opening(hospital, flow.source, flow.target, "Egress", block, [{"port": int(port)}]))
            continue
        ends = ((flow.source, flow.target, "Egress"), (flow.target, flow.source, "Ingress"))
        for one, other, direction in ends:
            peer = {
                "namespaceSelector": by_name(f"{hospital}-{table.workload_zones[other]}"),
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": other}},
            }
            found.append(opening(hospital, one, other, direction, peer, [{"port": flow.port, "protocol": "TCP"}]))
    return found
