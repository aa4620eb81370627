"""The gateway of a hospital in the compliant stack: certificate, policies and route."""

from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.builders import PREFIX, build
from tests.policy.world.pods import MODEL_PORT, meta

_OWN_HEADERS = {
    "path": {"escapedSlashesAction": "RejectRequest"},
    "headers": {
        "requestID": "Generate",
        "earlyRequestHeaders": {"remove": ["x-application", "x-forwarded-client-cert", "x-envoy-original-path"]},
    },
}


def gateway(hospital: str) -> list[Resource]:
    """Return the gateway of a hospital, with its certificate, its policies and its route to planning."""
    zone, service, secret = "platform", "planner", {"kind": "Secret", "name": "gateway-tls"}
    target = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway"}]}
    listener = {
        "name": "machines",
        "protocol": "HTTPS",
        "port": 443,
        "tls": {"mode": "Terminate", "certificateRefs": [secret]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    clients = {"kind": "ConfigMap", "name": "client-authority"}
    validation = {"caCertificateRefs": [clients], "crl": {"refs": [{"kind": "ConfigMap", "name": "gateway-revoked"}]}}
    provider = {
        "name": "idp",
        "issuer": "https://idp",
        "audiences": ["risk"],
        "remoteJWKS": {"uri": "https://idp/keys"},
        "claimToHeaders": [{"claim": "client_id", "header": "x-application"}],
    }
    claims = [{"name": "client_id", "values": [f"{hospital}-ehr"]}]
    rule = {
        "action": "Allow",
        "principal": {"jwt": {"provider": "idp", "claims": claims, "scopes": ["readmission.scores"]}},
        "cel": f"connection.subject_peer_certificate == 'CN={hospital}-ehr'",
    }
    security = {
        "jwt": {"providers": [provider]},
        "authorization": {"defaultAction": "Deny", "rules": [rule]},
    }
    limit = {"limit": {"requests": 300, "unit": "Minute"}}
    route = {
        "parentRefs": [{"name": "gateway"}],
        "rules": [
            {
                "matches": [{"method": "POST", "path": {"type": "Exact", "value": "/v1/scores"}}],
                "backendRefs": [{"name": service, "namespace": f"{hospital}-serving", "port": 8443}],
            }
        ],
    }
    source = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": f"{hospital}-{zone}"}
    specs: dict[str, tuple[str, dict[str, Any]]] = {
        "cert-manager.io/v1:Certificate": (
            "gateway",
            {"secretName": "gateway-tls", "issuerRef": {"kind": "ClusterIssuer", "name": f"{hospital}-gateway"}},
        ),
        "gateway.networking.k8s.io/v1:Gateway": ("gateway", {"gatewayClassName": "hospitals", "listeners": [listener]}),
        "gateway.envoyproxy.io/v1alpha1:ClientTrafficPolicy": (
            "gateway",
            {**target, **_OWN_HEADERS, "tls": {"minVersion": "1.3", "clientValidation": validation}},
        ),
        "gateway.envoyproxy.io/v1alpha1:SecurityPolicy": ("gateway", {**target, **security}),
        "gateway.envoyproxy.io/v1alpha1:BackendTrafficPolicy": (
            "gateway",
            {**target, "rateLimit": {"local": {"rules": [limit]}}},
        ),
        "gateway.networking.k8s.io/v1:HTTPRoute": ("model", route),
    }
    objects = [
        build(f"kubernetes:{kind}", f"{hospital}-gateway", {"metadata": meta(name, hospital, zone), "spec": spec})
        for kind, (name, spec) in specs.items()
    ]
    issuer = {"vault": {"server": "https://vault.example:8200", "path": f"{hospital}/workload-pki/sign/envoy"}}
    grant = {"from": [source], "to": [{"group": "", "kind": "Service", "name": service}]}
    selector, port = {"app.kubernetes.io/name": service}, {"port": 8443, "targetPort": MODEL_PORT}
    return [
        *objects,
        build("vault:index/mount:Mount", f"{hospital}-pki", {"path": f"{hospital}/pki", "type": "pki"}, protect=True),
        build(
            "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
            f"{hospital}-pki",
            {
                "backend": f"{hospital}/pki",
                "type": "internal",
                "certificate": f"authority of {hospital}",
                "keyType": "ec",
                "keyBits": 384,
                "maxPathLength": 0,
                "ttl": "315360000s",
            },
            protect=True,
        ),
        build(
            "kubernetes:core/v1:ConfigMap",
            f"{hospital}-client-authority",
            {"metadata": meta("client-authority", hospital, zone), "data": {"ca.crt": f"authority of {hospital}"}},
        ),
        build(
            "kubernetes:core/v1:Service",
            f"{hospital}-{service}",
            {"metadata": meta(service, hospital, "serving"), "spec": {"selector": selector, "ports": [port]}},
        ),
        build(
            "kubernetes:cert-manager.io/v1:ClusterIssuer",
            f"{hospital}-gateway",
            {
                "metadata": {"name": f"{hospital}-gateway", "labels": {f"{PREFIX}/hospital": hospital}},
                "spec": issuer,
            },
        ),
        build(
            "kubernetes:gateway.networking.k8s.io/v1beta1:ReferenceGrant",
            f"{hospital}-gateway",
            {"metadata": meta("gateway", hospital, "serving"), "spec": grant},
        ),
    ]
