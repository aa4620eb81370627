"""Encryption in transit: TLS at load balancers, mutual TLS between pods; entry_points has the gateways."""

from collections.abc import Iterable, Iterator

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.exposure.load_balancers import LISTENER_RULES, TLS_POLICIES, redirects_to_https
from policy_pack.facts.network.policies import INGRESS as INGRESS_TYPE
from policy_pack.facts.network.topology import PodGroup, topology
from policy_pack.facts.structure import zone_of
from policy_pack.facts.workload_tls import shortcomings
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    is_set,
    matches,
    not_yet_known,
    one_of,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import LISTENERS, NAMESPACE
from policy_pack.stack.pods import pod

_PEER_AUTHENTICATION = "k8s:security.istio.io/PeerAuthentication"
# Labels and annotations by which the mesh takes pods in, and leaves pods or ports out.
_INJECT = "sidecar.istio.io/inject"
_AMBIENT = "istio.io/dataplane-mode"
_EXCLUDED_TRAFFIC = "traffic.sidecar.istio.io/"
_MTLS_ZONES = ("phi", "serving")


@resource_check("TX-01", *LISTENERS)
def listeners_use_tls(listener: Resource) -> Findings:
    """Refuse plain HTTP except as a redirect, and TLS before 1.2."""
    protocol = listener.at("protocol")
    if protocol.value == "HTTP":
        if listener.at("defaultActions").absent:
            yield violation("serves plain HTTP", protocol.path)
        for action in listener.at("defaultActions").items():
            yield from expect(action.at("type"), one_of("redirect"), "serves plain HTTP")
            yield from expect(action.at("redirect.protocol"), one_of("HTTPS"), "redirects to plain HTTP")
        return
    yield from expect(protocol, one_of("HTTPS", "TLS"), "does not use TLS")
    yield from expect(listener.at("sslPolicy"), matches(TLS_POLICIES), "allows TLS before 1.2")
    yield from expect(listener.at("certificateArn"), is_set, "has no certificate")


@join_check("TX-01", *LISTENER_RULES)
def rules_of_plain_listeners_redirect(rule: Resource, context: StackContext) -> Findings:
    """Refuse rules by which a listener of plain HTTP does more than redirect; its own TLS is checked with it."""
    listener = context.graph.target(rule, "listenerArn", LISTENERS, ("arn", "id"))
    if listener is not None and listener.at("protocol").value != "HTTP":
        return
    for action in rule.at("actions").items():
        if not redirects_to_https(action):
            yield violation("serves plain HTTP, or its listener is not in this stack", action.path)


@join_check("TX-03", NAMESPACE)
def zones_use_mutual_tls(zone_namespace: Resource, context: StackContext) -> Findings:
    """Require mutual TLS on every connection that pods of the serving and PHI zones accept, the gateway's included.

    A mesh provides it for all pods of a namespace, or pods serve it themselves with a certificate of their
    ServiceAccount. The client certificate at the gateway protects the connection to the gateway only. A zone whose pods
    accept no connections needs no mutual TLS.
    """
    name = zone_namespace.at("metadata.name").text()
    if zone_of(zone_namespace, context) not in _MTLS_ZONES:
        return
    network = topology(context, zones())
    groups = [group for group in network.by_namespace.get(name, ()) if any(shortcomings(group, context))]
    accepted = dict.fromkeys(connection for group in groups for connection in _accepted(group))
    if not accepted:
        if network.is_unknown(name):
            yield not_yet_known(f"Ingress policies of {name}", zone_namespace)
        return
    strict = any(_is_strict(peer) for peer in context.graph.where("metadata.namespace", name, _PEER_AUTHENTICATION))
    if not strict:
        yield violation(f"its pods accept connections without a client certificate: {_listed(accepted)}")
        return
    outside = [group.label for group in groups if not _in_mesh(group, zone_namespace)]
    if outside:
        yield violation(
            f"pods that are not in the mesh accept connections without a client certificate: {_listed(outside)}"
        )


def _accepted(group: PodGroup) -> Iterator[str]:
    """Return the connections that pods accept: the policy that allows each, and the pods."""
    if INGRESS_TYPE not in group.isolated:
        yield f"anything -> {group.label}"
    for policy, rule in group.ingress:
        ports = ", ".join(dict.fromkeys(ports.label for ports in rule.port_ranges(group.named_ports)))
        yield f"{policy.resource.name} -> {group.label}:{ports}"


def _listed(items: Iterable[str]) -> str:
    return "; ".join(sorted(items))


def _is_strict(peer: Resource) -> bool:
    return peer.at("spec.selector").absent and peer.at("spec.mtls.mode").text() == "STRICT"


def _in_mesh(group: PodGroup, zone_namespace: Resource) -> bool:
    """Return whether the mesh adds its proxy to pods, without which its policies have no effect."""
    if group.labels.get(_INJECT) == "false" or group.labels.get(_AMBIENT) == "none":
        return False
    annotations = pod(group.resource).annotations.whole() or {} if group.resource else {}
    if any(str(name).startswith(_EXCLUDED_TRAFFIC) for name in annotations) or annotations.get(_INJECT) == "false":
        return False
    labels = zone_namespace.at("metadata.labels").whole() or {}
    return labels.get("istio-injection") == "enabled" or labels.get(_AMBIENT) == "ambient"


@resource_check("TX-03", _PEER_AUTHENTICATION)
def mutual_tls_has_no_exceptions(peer: Resource) -> Findings:
    """Refuse modes and ports that allow plain text."""
    yield from expect(peer.at("spec.mtls.mode"), one_of("STRICT"), "allows plain text")
    for port, entry in peer.at("spec.portLevelMtls").fields():
        yield from expect(entry.at("mode"), one_of("STRICT"), f"allows plain text on port {port}")


@resource_check("TX-04", "aws:acm/certificate:Certificate")
def certificates_are_renewed(certificate: Resource) -> Findings:
    """Refuse imported certificates, which are not renewed automatically."""
    yield from expect(
        certificate.at("privateKey"), lambda value: value is None, "is imported, so it is not renewed automatically"
    )
