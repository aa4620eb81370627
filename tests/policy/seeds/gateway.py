"""Seeded violations of the controls over a gateway's clients: certificates, tokens, paths and the access log."""

from typing import Any

from tests.policy.builders import GONE, build
from tests.policy.seeds.seed import Seed, absent, extra, seed

_GW, _EG, _CORE = "k8s:gateway.networking.k8s.io/", "k8s:gateway.envoyproxy.io/", "k8s:core/"
GATEWAY, ROUTE = f"{_GW}Gateway", f"{_GW}HTTPRoute"
PROXY, CLIENT = f"{_EG}EnvoyProxy", f"{_EG}ClientTrafficPolicy"
_SECURITY = f"{_EG}SecurityPolicy"
_CERTIFICATE, _ISSUER = "k8s:cert-manager.io/Certificate", "k8s:cert-manager.io/ClusterIssuer"
_AUTHORITY = f"{_CORE}ConfigMap"
CRON_JOB = "k8s:batch/CronJob"
_IS = "k8s:serving.kserve.io/InferenceService"
_NS = f"{_CORE}Namespace"
POD = "spec.jobTemplate.spec.template"
LISTENER = "spec.listeners[0]"
_VALIDATION = "spec.tls.clientValidation"
_PROVIDER, _RULE = "spec.jwt.providers[0]", "spec.authorization.rules[0]"
_LOG = "spec.telemetry.accessLog"
ENVOY_SERVICE = "spec.provider.kubernetes.envoyService"
TARGET = "spec.targetRefs[0]"
AWS_LISTENER = "aws:lb/listener:Listener"


def _metadata(namespace: str, name: str = "extra") -> dict[str, Any]:
    return {"name": name, "namespace": namespace}


def policy(kind: str, spec: dict[str, Any], target: str = "HTTPRoute", name: str = "model") -> Any:
    """Return one more policy of Envoy Gateway, which by default replaces the gateway's for the route."""
    reference = {"group": "gateway.networking.k8s.io", "kind": target, "name": name}
    props = {"metadata": _metadata("north-platform"), "spec": {"targetRefs": [reference], **spec}}
    return build(f"kubernetes:gateway.envoyproxy.io/v1alpha1:{kind}", "extra", props)


def route(namespace: str = "north-platform", kind: str = "HTTPRoute", **parts: Any) -> Any:
    backend = {"name": "readmission-risk-v1-predictor", "namespace": "north-serving", "port": 80}
    spec = {
        "parentRefs": [{"name": "gateway", "namespace": "north-platform"}],
        "rules": [{"backendRefs": [{**backend, **parts}]}],
    }
    props = {"metadata": _metadata(namespace), "spec": spec}
    return build(f"kubernetes:gateway.networking.k8s.io/v1:{kind}", "extra", props)


def declared(type_: str, namespace: str, spec: dict[str, Any], **more: Any) -> Any:
    return build(f"kubernetes:{type_}", "extra", {"metadata": {**_metadata(namespace), **more}, "spec": spec})


def _sink() -> Any:
    """Return settings of a gateway whose access log goes to a Service by plain HTTP."""
    sink = {
        "type": "OpenTelemetry",
        "openTelemetry": {"backendRefs": [{"name": "recorder", "namespace": "elsewhere", "port": 4317}]},
    }
    spec = {"telemetry": {"accessLog": {"settings": [{"sinks": [sink]}]}}}
    return declared("gateway.envoyproxy.io/v1alpha1:EnvoyProxy", "north-platform", spec)


MUTUAL_TLS: list[Seed] = [
    absent("TX-03", CLIENT),
    seed("TX-03", CLIENT, _VALIDATION, GONE),
    seed("TX-03", CLIENT, f"{_VALIDATION}.optional", True),
    *(
        seed("TX-03", CLIENT, f"{_VALIDATION}.mode", mode, hides=False)
        for mode in ("Request", "RequireAny", "VerifyIfGiven", "Other")
    ),
    seed("TX-03", CLIENT, f"{_VALIDATION}.allowExpiredCertificate", True),
    seed("TX-03", CLIENT, f"{_VALIDATION}.crl", GONE),
    seed("TX-03", CLIENT, f"{_VALIDATION}.crl.refs", []),
    seed("TX-03", CLIENT, f"{_VALIDATION}.caCertificateRefs", []),
    seed("TX-03", CLIENT, f"{_VALIDATION}.caCertificateRefs[0].name", "public-authorities"),
    seed("TX-03", CLIENT, f"{_VALIDATION}.caCertificateRefs[0].kind", "Secret"),
    seed("TX-03", CLIENT, f"{_VALIDATION}.caCertificateRefs[0]", {"kind": "Secret", "name": "gateway-tls"}),
    seed("TX-03", _AUTHORITY, "data.{ca.crt}", "authority of south", name="north-client-authority"),
    seed("TX-03", _AUTHORITY, "data.{ca.crt}", lambda old: f"{old}\nanother authority", name="*-client-authority"),
    seed("TX-03", _AUTHORITY, "data", GONE, name="*-client-authority"),
    seed("TX-03", CLIENT, f"{_VALIDATION}.caCertificateRefs[0].namespace", "south-platform", name="north-*"),
    seed("TX-03", CLIENT, f"{TARGET}.name", "other"),
    seed("TX-03", CLIENT, f"{TARGET}.kind", "ListenerSet"),
    seed("TX-03", CLIENT, f"{TARGET}.group", "gateway.envoyproxy.io"),
    seed("TX-03", CLIENT, f"{TARGET}.sectionName", "https-2"),
    seed("TX-03", CLIENT, "metadata.namespace", "south-platform", name="north-*"),
    extra("TX-03", policy("ClientTrafficPolicy", {"timeout": {}}, "Gateway", "gateway")).here(),
    seed("TX-03", GATEWAY, f"{LISTENER}.protocol", "HTTP"),
    seed("TX-03", GATEWAY, f"{LISTENER}.tls.mode", "Passthrough"),
    seed("TX-03", _NS, "metadata.labels.{istio-injection}", "disabled", name="*-serving"),
    seed(
        "TX-03", CRON_JOB, f"{POD}.metadata.labels.{{sidecar.istio.io/inject}}", "false", name="*-planner", hides=False
    ).here(),
    seed(
        "TX-03",
        _IS,
        "spec.predictor.annotations",
        {"traffic.sidecar.istio.io/excludeInboundPorts": "8080"},
        hides=False,
    ).here(),
    seed("TX-03", AWS_LISTENER, "mutualAuthentication.mode", "passthrough", name="https"),
    seed("TX-03", AWS_LISTENER, "mutualAuthentication.mode", "off", name="https"),
    seed("TX-03", AWS_LISTENER, "mutualAuthentication", GONE, name="https"),
    seed("TX-03", AWS_LISTENER, "mutualAuthentication.trustStoreArn", GONE, name="https"),
    seed("TX-03", AWS_LISTENER, "mutualAuthentication.ignoreClientCertificateExpiry", True, name="https"),
]


TLS: list[Seed] = [
    *(seed("TX-04", CLIENT, "spec.tls.minVersion", version) for version in ("1.0", "1.1", "Auto")),
    seed("TX-04", CLIENT, "spec.tls.maxVersion", "1.1"),
    seed("TX-04", CLIENT, "spec.tls.ciphers", ["ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"]),
    seed("TX-04", CLIENT, "spec.tls.ecdhCurves", ["P-224"]),
    seed("TX-04", CLIENT, "spec.tls.signatureAlgorithms", ["rsa_pkcs1_sha1"]),
    extra("TX-04", policy("ClientTrafficPolicy", {"tls": {"minVersion": "1.0"}}, "Gateway", "gateway")).here(),
    seed("TX-04", GATEWAY, f"{LISTENER}.protocol", "HTTP"),
    seed("TX-04", GATEWAY, f"{LISTENER}.protocol", "TCP"),
    seed("TX-04", GATEWAY, f"{LISTENER}.tls.mode", "Passthrough"),
    seed("TX-04", GATEWAY, f"{LISTENER}.tls.certificateRefs", []),
    seed("TX-04", GATEWAY, f"{LISTENER}.tls.certificateRefs[0].name", "other"),
    seed("TX-04", GATEWAY, f"{LISTENER}.tls.certificateRefs[0].namespace", "south-platform", name="north-*"),
    seed("TX-04", _ISSUER, "spec.vault.path", GONE, hides=False),
    seed("TX-04", _ISSUER, "spec.vault.path", "south/workload-pki/sign/envoy", name="north-*"),
    seed("TX-04", _CERTIFICATE, "spec.issuerRef.name", "south-gateway", name="north-*"),
    seed("TX-04", _ISSUER, "spec.vault.server", "https://elsewhere.example"),
    seed("TX-04", _ISSUER, "spec", {"selfSigned": {}}),
    seed("TX-04", _CERTIFICATE, "spec.secretName", "other"),
    seed("TX-04", _CERTIFICATE, "metadata.namespace", "elsewhere"),
    absent("TX-04", _CERTIFICATE),
    seed("TX-01", AWS_LISTENER, "defaultActions", [], name="http"),
    seed("TX-01", "aws:lb/listenerRule:ListenerRule", "actions[0].type", "forward"),
]


WORKFLOWS: list[Seed] = [
    *(
        seed("ML-05", ROUTE, f"spec.rules[0].{path}", value)
        for path, value in (
            ("matches", GONE),
            ("matches[0].method", GONE),
            ("matches[0].method", "DELETE"),
            ("matches[0].path", GONE),
            ("matches[0].path.type", "RegularExpression"),
            ("matches[0].path.value", "/v1/everything"),
            ("matches[0].path.value", "/v1/scores/../feedback"),
        )
    ),
    seed("ML-05", ROUTE, "spec.rules[0].matches[0].path.value", "/v1/notes").here(),
    seed("ML-05", ROUTE, "spec.rules[0].backendRefs[0].name", "other").here(),
    extra("ML-05", route()).here(),
]


CLIENTS: list[Seed] = [
    absent("AUTH-01", _SECURITY),
    *(seed("AUTH-01", _SECURITY, f"{_PROVIDER}.{field}", GONE) for field in ("issuer", "audiences", "remoteJWKS")),
    seed("AUTH-01", _SECURITY, f"{_PROVIDER}.audiences", [""]),
    seed("AUTH-01", _SECURITY, f"{_PROVIDER}.audiences", lambda old: [*old, "account"]),
    seed("AUTH-01", _SECURITY, f"{_PROVIDER}.issuer", "https://elsewhere.example"),
    seed("AUTH-01", _SECURITY, f"{_PROVIDER}.remoteJWKS.uri", "https://elsewhere.example/keys"),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.claims[0].values", ["south-ehr"], name="north-*"),
    # An application of one model at the other one's route, in both directions; and at that of a model that is none.
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.claims[0].values", ["north-research"], name="north-*").here(),
    *(
        seed("AUTH-01", ROUTE, "spec.rules[0].matches[0].path.value", f"/v1/models/{model}/scores").here()
        for model in ("boosted", "other")
    ),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.claims[0]", {"name": "iss", "values": ["https://idp"]}),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.claims[0].name", "sub"),
    seed("AUTH-01", _SECURITY, f"{_PROVIDER}.remoteJWKS.uri", "http://idp/keys"),
    seed("AUTH-01", _SECURITY, "spec.jwt", GONE),
    seed("AUTH-01", _SECURITY, "spec.jwt.optional", True),
    seed("AUTH-01", _SECURITY, "spec.jwt.failOpen", True),
    seed("AUTH-01", _SECURITY, "spec.jwt.providers", lambda old: [*old, {"name": "any", "issuer": "https://other"}]),
    seed("AUTH-01", _SECURITY, "spec.authorization", GONE),
    seed("AUTH-01", _SECURITY, "spec.authorization.defaultAction", "Allow"),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal", {"clientCIDRs": ["0.0.0.0/0"]}),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal", {"headers": [{"name": "x-application", "values": ["north-ehr"]}]}),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal", GONE).with_(f"{_RULE}.cel", "true"),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.claims", []),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.claims[0].values", []),
    seed("AUTH-01", _SECURITY, f"{_RULE}.principal.jwt.provider", "other"),
    seed("AUTH-01", _SECURITY, f"{TARGET}.name", "other"),
    extra("TX-03", _sink()),
    seed("AUTH-01", _SECURITY, f"{TARGET}.kind", "HTTPRoute"),
    seed("AUTH-01", _SECURITY, f"{TARGET}.sectionName", "https-2"),
    seed("AUTH-01", _SECURITY, "spec.targetRefs", GONE, hides=False).with_(
        "spec.targetSelectors", [{"kind": "Gateway", "matchLabels": {"app": "other"}}]
    ),
    extra("AUTH-01", policy("SecurityPolicy", {"cors": {}})).here(),
    extra("AUTH-01", policy("SecurityPolicy", {"mergeType": "StrategicMerge", "jwt": {"optional": True}})).here(),
    extra(
        "AUTH-01",
        policy("SecurityPolicy", {"mergeType": "JSONMerge", "authorization": {"defaultAction": "Allow"}}),
    ).here(),
    extra("AUTH-01", policy("SecurityPolicy", {}, "Gateway", "gateway")).here(),
    seed("AUD-08", PROXY, f"{_LOG}.disable", True),
    seed("AUD-08", PROXY, f"{_LOG}.settings", []),
    seed("AUD-08", PROXY, f"{_LOG}.settings[0].matches", ["response.code >= 500"]),
    seed("AUD-08", PROXY, f"{_LOG}.settings[0].type", "Listener"),
    seed("AUD-08", PROXY, f"{_LOG}.settings[0].sinks", []),
    seed("AUD-08", PROXY, f"{_LOG}.settings[0].sinks[0].file.path", "/dev/null"),
    seed("AUD-08", PROXY, f"{_LOG}.settings[0].format.json", {"time": "%START_TIME%"}),
    seed("AUD-08", PROXY, f"{_LOG}.settings[0].format.type", "Text"),
    *(
        seed("AUD-08", PROXY, f"{_LOG}.settings[0].format.json.more", operator)
        for operator in (
            "%REQ(:PATH)%",
            "%REQ_WITHOUT_QUERY(:PATH)%",
            "%REQ(AUTHORIZATION):20%",
            "%RESPONSE_CODE_DETAILS%",
        )
    ),
    seed("AUD-08", PROXY, f"{ENVOY_SERVICE}.externalTrafficPolicy", "Cluster"),
]

SEEDS = [*MUTUAL_TLS, *TLS, *WORKFLOWS, *CLIENTS]
