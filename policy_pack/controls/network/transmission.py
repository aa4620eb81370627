"""Encryption in transit: TLS at load balancers, buckets and gateways, and mutual TLS between pods."""

from policy_pack.controls.rules import join_check, resource_check
from policy_pack.facts.iam.conditions import transport_requirement
from policy_pack.facts.iam.documents import policy_statements
from policy_pack.facts.network.policies import INGRESS as INGRESS_TYPE
from policy_pack.facts.network.topology import topology
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    is_set,
    matches,
    not_yet_known,
    one_of,
    violation,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import (
    BUCKET,
    BUCKET_KEYS,
    BUCKET_POLICY,
    CLIENT_POLICY,
    GATEWAY,
    INGRESS,
    NAMESPACE,
)
from policy_pack.stack.values import View

_PEER_AUTHENTICATION = "k8s:security.istio.io/PeerAuthentication"
_CERTIFICATE = "k8s:cert-manager.io/Certificate"
_ISSUERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")
_TLS_POLICIES = r"ELBSecurityPolicy-(TLS13-1-[23]|FS-1-2|TLS-1-2).*"
_OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject")
_MINIMUM_TLS = 1.2
_MTLS_ZONES = ("phi", "serving")


@resource_check("TX-01", "aws:lb/listener:Listener", "aws:alb/listener:Listener")
def listeners_use_tls(listener: Resource) -> Findings:
    """Refuse plain HTTP except as a redirect, and TLS before 1.2."""
    protocol = listener.at("protocol")
    if protocol.value == "HTTP":
        for action in listener.at("defaultActions").items():
            yield from expect(action.at("type"), one_of("redirect"), "serves plain HTTP")
            yield from expect(action.at("redirect.protocol"), one_of("HTTPS"), "redirects to plain HTTP")
        return
    yield from expect(protocol, one_of("HTTPS", "TLS"), "does not use TLS")
    yield from expect(listener.at("sslPolicy"), matches(_TLS_POLICIES), "allows TLS before 1.2")
    yield from expect(listener.at("certificateArn"), is_set, "has no certificate")


@join_check("TX-02", BUCKET)
def buckets_require_tls_1_2(bucket: Resource, context: StackContext) -> Findings:
    """Require a bucket policy that denies every principal requests without TLS, or with TLS before 1.2."""
    policy = policy_statements(context.attached(bucket, BUCKET_POLICY, "bucket", BUCKET_KEYS))
    required = transport_requirement(policy, _OBJECT_ACTIONS)
    if not required.tls_only:
        yield violation("its policy does not deny requests without TLS (aws:SecureTransport)")
    if required.minimum_version is None or required.minimum_version < _MINIMUM_TLS:
        yield violation("its policy does not deny TLS before 1.2 (s3:TlsVersion)")


@join_check("TX-03", NAMESPACE)
def zones_use_mutual_tls(zone_namespace: Resource, context: StackContext) -> Findings:
    """Require strict mutual TLS in the serving and PHI zones, in the mesh or at the gateway.

    A zone whose pods accept no connections does not need it.
    """
    zone = context.label(zone_namespace, "zone")
    if zone not in _MTLS_ZONES:
        return
    name = zone_namespace.at("metadata.name").text()
    network = topology(context, zones())
    groups = network.by_namespace.get(name, ())
    if not any(group.ingress or INGRESS_TYPE not in group.isolated for group in groups):
        if network.is_unknown(name):
            yield not_yet_known(f"Ingress policies of {name}", zone_namespace)
        return
    in_mesh = any(_strict(peer) for peer in context.graph.where("metadata.namespace", name, _PEER_AUTHENTICATION))
    at_gateway = zone == "serving" and any(
        _requires_client_certificate(policy, zone_namespace, context) for policy in context.graph.of(CLIENT_POLICY)
    )
    if not (in_mesh or at_gateway):
        yield violation("its pods accept connections without a client certificate")


def _strict(peer: Resource) -> bool:
    return peer.at("spec.selector").absent and peer.at("spec.mtls.mode").text() == "STRICT"


def _requires_client_certificate(policy: Resource, zone_namespace: Resource, context: StackContext) -> bool:
    matches_hospital = context.label(policy, "hospital") in ("", "shared", context.label(zone_namespace, "hospital"))
    return matches_hospital and not policy.at("spec.tls.clientValidation.caCertificateRefs").absent


@resource_check("TX-03", _PEER_AUTHENTICATION)
def mutual_tls_has_no_exceptions(peer: Resource) -> Findings:
    """Refuse modes and ports that allow plain text."""
    yield from expect(peer.at("spec.mtls.mode"), one_of("STRICT"), "allows plain text")
    for port, entry in peer.at("spec.portLevelMtls").fields():
        yield from expect(entry.at("mode"), one_of("STRICT"), f"allows plain text on port {port}")


@join_check("TX-04", GATEWAY)
def gateways_have_certificates(gateway: Resource, context: StackContext) -> Findings:
    """Require TLS 1.2 or newer on every listener, with a certificate of cert-manager."""
    for listener in gateway.at("spec.listeners").items():
        yield from guarded(_listener(gateway, listener, context), listener.path)
    if not any(_requires_tls_1_2(policy, gateway) for policy in context.graph.of(CLIENT_POLICY)):
        yield violation("has no minimum TLS version of 1.2 (ClientTrafficPolicy tls.minVersion)")


def _listener(gateway: Resource, listener: View, context: StackContext) -> Findings:
    yield from expect(listener.at("protocol"), one_of("HTTPS", "TLS"), "a listener does not use TLS")
    certificates = listener.at("tls.certificateRefs")
    yield from expect(certificates, is_set, "a listener has no certificate")
    annotations = gateway.at("metadata.annotations")
    if any(not annotations.key(issuer).absent for issuer in _ISSUERS):
        return
    issued = context.graph.memo("certificates", _issued_secrets)
    for certificate in certificates.items():
        yield from expect(
            certificate.at("name"), lambda name: name in issued, "its certificate is not issued by cert-manager"
        )


def _issued_secrets(graph: Graph) -> set[str]:
    return {certificate.at("spec.secretName").text() for certificate in graph.of(_CERTIFICATE)}


def _requires_tls_1_2(policy: Resource, gateway: Resource) -> bool:
    references = [policy.at("spec.targetRef"), *policy.at("spec.targetRefs").items()]
    applies = gateway.at("metadata.name").text() in [target.at("name").text() for target in references]
    return applies and policy.at("spec.tls.minVersion").text() in ("1.2", "1.3")


@resource_check("TX-04", INGRESS)
def ingresses_have_certificates(ingress: Resource) -> Findings:
    """Require TLS with a certificate of cert-manager."""
    yield from expect(ingress.at("spec.tls"), is_set, "does not use TLS")
    for entry in ingress.at("spec.tls").items():
        yield from expect(entry.at("secretName"), is_set, "has no certificate")
    annotations = ingress.at("metadata.annotations").value or {}
    if not any(issuer in annotations for issuer in _ISSUERS):
        yield violation("its certificate is not issued by cert-manager", "metadata.annotations")


@resource_check("TX-04", "aws:acm/certificate:Certificate")
def certificates_are_renewed(certificate: Resource) -> Findings:
    """Refuse imported certificates, which are not renewed automatically."""
    yield from expect(
        certificate.at("privateKey"), lambda value: value is None, "is imported, so it is not renewed automatically"
    )
