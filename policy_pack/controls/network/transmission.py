"""Protection of data on its way: TLS at balancers, buckets and gateways, mutual TLS between pods."""

from policy_pack.controls.rules import on, on_join
from policy_pack.facts.iam.statements import Statement, statements
from policy_pack.facts.reachability import Flows, flows
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import About, Findings, expect, fault, given, guarded, later, matches, one_of
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

_PEERS = "k8s:security.istio.io/PeerAuthentication"
_CERTIFICATE = "k8s:cert-manager.io/Certificate"
_ISSUERS = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")
_POLICIES = r"ELBSecurityPolicy-(TLS13-1-[23]|FS-1-2|TLS-1-2).*"
_MTLS_ZONES = ("phi", "serving")


@on("TX-01", "aws:lb/listener:Listener", "aws:alb/listener:Listener")
def listeners_speak_tls(listener: Resource) -> Findings:
    """Refuse plain HTTP but to redirect, and TLS before 1.2."""
    protocol = listener.at("protocol")
    if protocol.value == "HTTP":
        for action in listener.at("defaultActions").items():
            yield from expect(action.at("type"), one_of("redirect"), "answers plain HTTP")
            yield from expect(action.at("redirect.protocol"), one_of("HTTPS"), "redirects to plain HTTP")
        return
    yield from expect(protocol, one_of("HTTPS", "TLS"), "does not speak TLS")
    yield from expect(listener.at("sslPolicy"), matches(_POLICIES), "admits TLS before 1.2")
    yield from expect(listener.at("certificateArn"), given, "has no certificate")


@on_join("TX-02", BUCKET)
def buckets_refuse_plain_and_old_tls(bucket: Resource, about: About) -> Findings:
    """Ask for a policy that denies everybody requests without TLS, and with TLS before 1.2."""
    found = about.attached(bucket, BUCKET_POLICY, "bucket", BUCKET_KEYS)
    held = [statement for policy in found for statement in statements(policy.at("policy"))]
    denials = [s for s in held if not s.allows and s.anybody and s.covers("s3:GetObject") and s.covers("s3:PutObject")]
    if not any(values == ("false",) for s in denials for _, values in s.tests("aws:SecureTransport")):
        yield fault("its policy does not deny requests without TLS (aws:SecureTransport)")
    if not any(_before(s) for s in denials):
        yield fault("its policy does not deny TLS before 1.2 (s3:TlsVersion)")


def _before(statement: Statement) -> bool:
    tests = statement.tests("s3:TlsVersion")
    return any("LessThan" in operator and values and float(values[0]) >= 1.2 for operator, values in tests)


@on_join("TX-03", NAMESPACE)
def zones_speak_mutual_tls(home: Resource, about: About) -> Findings:
    """Ask for strict mutual TLS where patients' data is served, in the mesh or at the gateway before it.

    A zone whose pods take no calls at all has nothing to ask it for.
    """
    zone = about.label(home, "zone")
    if zone not in _MTLS_ZONES:
        return
    name = home.at("metadata.name").text()
    table = zones()
    parts: Flows = about.graph.memo("flows", lambda _: flows(about, table))
    if not any(node.ingress or "Ingress" not in node.closed for node in parts.by_home.get(name, ())):
        if {"*", name} & parts.unclear:
            yield later(f"Ingress policies of {name}", home)
        return
    meshed = any(_strict(peer) for peer in about.graph.where("metadata.namespace", name, _PEERS))
    gated = zone == "serving" and any(_validates(policy, home, about) for policy in about.graph.of(CLIENT_POLICY))
    if not (meshed or gated):
        yield fault("its pods take calls without a client certificate")


def _strict(peer: Resource) -> bool:
    return peer.at("spec.selector").absent and peer.at("spec.mtls.mode").text() == "STRICT"


def _validates(policy: Resource, home: Resource, about: About) -> bool:
    mine = about.label(policy, "hospital") in ("", "shared", about.label(home, "hospital"))
    return mine and not policy.at("spec.tls.clientValidation.caCertificateRefs").absent


@on("TX-03", _PEERS)
def no_exceptions_from_mutual_tls(peer: Resource) -> Findings:
    """Refuse modes and ports that admit plain text."""
    yield from expect(peer.at("spec.mtls.mode"), one_of("STRICT"), "admits plain text")
    for port, entry in peer.at("spec.portLevelMtls").fields():
        yield from expect(entry.at("mode"), one_of("STRICT"), f"admits plain text on port {port}")


@on_join("TX-04", GATEWAY)
def gateways_have_certificates(gateway: Resource, about: About) -> Findings:
    """Ask every listener for TLS 1.2 or newer, with a certificate of cert-manager."""
    for listener in gateway.at("spec.listeners").items():
        yield from guarded(_listener(gateway, listener, about), listener.path)
    if not any(_modern(policy, gateway) for policy in about.graph.of(CLIENT_POLICY)):
        yield fault("nothing says that it speaks TLS 1.2 or newer (ClientTrafficPolicy tls.minVersion)")


def _listener(gateway: Resource, listener: View, about: About) -> Findings:
    yield from expect(listener.at("protocol"), one_of("HTTPS", "TLS"), "a listener speaks plain text")
    certificates = listener.at("tls.certificateRefs")
    yield from expect(certificates, given, "a listener has no certificate")
    notes = gateway.at("metadata.annotations")
    if any(not notes.key(issuer).absent for issuer in _ISSUERS):
        return
    made = about.graph.memo("certificates", _made)
    for certificate in certificates.items():
        yield from expect(certificate.at("name"), lambda name: name in made, "its certificate is not of cert-manager")


def _made(graph: Graph) -> set[str]:
    return {made.at("spec.secretName").text() for made in graph.of(_CERTIFICATE)}


def _modern(policy: Resource, gateway: Resource) -> bool:
    named = [policy.at("spec.targetRef"), *policy.at("spec.targetRefs").items()]
    mine = gateway.at("metadata.name").text() in [target.at("name").text() for target in named]
    return mine and policy.at("spec.tls.minVersion").text() in ("1.2", "1.3")


@on("TX-04", INGRESS)
def ingresses_have_certificates(ingress: Resource) -> Findings:
    """Ask for TLS with a certificate of cert-manager."""
    yield from expect(ingress.at("spec.tls"), given, "speaks plain text")
    for entry in ingress.at("spec.tls").items():
        yield from expect(entry.at("secretName"), given, "has no certificate")
    notes = ingress.at("metadata.annotations").value or {}
    if not any(issuer in notes for issuer in _ISSUERS):
        yield fault("its certificate is not of cert-manager", "metadata.annotations")


@on("TX-04", "aws:acm/certificate:Certificate")
def certificates_are_renewed(certificate: Resource) -> Findings:
    """Refuse imported certificates, which nobody renews."""
    yield from expect(certificate.at("privateKey"), lambda value: value is None, "is imported, so nothing renews it")
