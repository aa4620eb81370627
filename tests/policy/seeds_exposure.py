"""Seeded violations of the controls over entry points: what lets more clients in, or protects less."""

from typing import Any

from tests.policy.builders import GONE, PREFIX, build
from tests.policy.seed import Seed, absent, extra, seed

_GW, _EG, _CORE = "k8s:gateway.networking.k8s.io/", "k8s:gateway.envoyproxy.io/", "k8s:core/"
_GATEWAY, _CLASS, _ROUTE = f"{_GW}Gateway", f"{_GW}GatewayClass", f"{_GW}HTTPRoute"
_GRANT = f"{_GW}ReferenceGrant"
_PROXY, _CLIENT = f"{_EG}EnvoyProxy", f"{_EG}ClientTrafficPolicy"
_SECURITY, _TRAFFIC = f"{_EG}SecurityPolicy", f"{_EG}BackendTrafficPolicy"
_CERTIFICATE, _ISSUER = "k8s:cert-manager.io/Certificate", "k8s:cert-manager.io/ClusterIssuer"
_AUTHORITY = f"{_CORE}ConfigMap"
_SERVICE, _JOB = f"{_CORE}Service", "k8s:batch/CronJob"
_IS = "k8s:serving.kserve.io/InferenceService"
_NS = f"{_CORE}Namespace"
_CHART = "k8s:helm.sh/Release"
_POD = "spec.jobTemplate.spec.template"
_LISTENER = "spec.listeners[0]"
_VALIDATION = "spec.tls.clientValidation"
_PROVIDER, _RULE = "spec.jwt.providers[0]", "spec.authorization.rules[0]"
_LOG = "spec.telemetry.accessLog"
_ENVOY_SERVICE = "spec.provider.kubernetes.envoyService"
_SCHEME = "service.beta.kubernetes.io/aws-load-balancer-scheme"
_TARGET = "spec.targetRefs[0]"

_SG, _SG_RULE = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/securityGroupRule:SecurityGroupRule"
_SG_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_BALANCER, _LISTENERS = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"
_INSTANCE, _TEMPLATE = "aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"


def _metadata(namespace: str, name: str = "extra") -> dict[str, Any]:
    return {"name": name, "namespace": namespace}


def _policy(kind: str, spec: dict[str, Any], target: str = "HTTPRoute", name: str = "model") -> Any:
    """Return one more policy of Envoy Gateway, which by default replaces the gateway's for the route."""
    reference = {"group": "gateway.networking.k8s.io", "kind": target, "name": name}
    props = {"metadata": _metadata("north-platform"), "spec": {"targetRefs": [reference], **spec}}
    return build(f"kubernetes:gateway.envoyproxy.io/v1alpha1:{kind}", "extra", props)


def _route(namespace: str = "north-platform", kind: str = "HTTPRoute", **parts: Any) -> Any:
    backend = {"name": "readmission-risk-v1-predictor", "namespace": "north-serving", "port": 80}
    spec = {
        "parentRefs": [{"name": "gateway", "namespace": "north-platform"}],
        "rules": [{"backendRefs": [{**backend, **parts}]}],
    }
    props = {"metadata": _metadata(namespace), "spec": spec}
    return build(f"kubernetes:gateway.networking.k8s.io/v1:{kind}", "extra", props)


def _object(type_: str, namespace: str, spec: dict[str, Any], **more: Any) -> Any:
    return build(f"kubernetes:{type_}", "extra", {"metadata": {**_metadata(namespace), **more}, "spec": spec})


def _sink() -> Any:
    """Return settings of a gateway whose access log goes to a Service by plain HTTP."""
    sink = {
        "type": "OpenTelemetry",
        "openTelemetry": {"backendRefs": [{"name": "recorder", "namespace": "elsewhere", "port": 4317}]},
    }
    spec = {"telemetry": {"accessLog": {"settings": [{"sinks": [sink]}]}}}
    return _object("gateway.envoyproxy.io/v1alpha1:EnvoyProxy", "north-platform", spec)


_HTTP_LISTENER = {"name": "http", "protocol": "HTTP", "port": 80}

MUTUAL_TLS: list[Seed] = [
    absent("TX-03", _CLIENT),
    seed("TX-03", _CLIENT, _VALIDATION, GONE),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.optional", True),
    *(
        seed("TX-03", _CLIENT, f"{_VALIDATION}.mode", mode, hides=False)
        for mode in ("Request", "RequireAny", "VerifyIfGiven", "Other")
    ),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.allowExpiredCertificate", True),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.crl", GONE),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.crl.refs", []),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.caCertificateRefs", []),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.caCertificateRefs[0].name", "public-authorities"),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.caCertificateRefs[0].kind", "Secret"),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.caCertificateRefs[0]", {"kind": "Secret", "name": "gateway-tls"}),
    seed("TX-03", _AUTHORITY, "data.{ca.crt}", "authority of south", name="north-client-authority"),
    seed("TX-03", _AUTHORITY, "data.{ca.crt}", lambda old: f"{old}\nanother authority", name="*-client-authority"),
    seed("TX-03", _AUTHORITY, "data", GONE, name="*-client-authority"),
    seed("TX-03", _CLIENT, f"{_VALIDATION}.caCertificateRefs[0].namespace", "south-platform", name="north-*"),
    seed("TX-03", _CLIENT, f"{_TARGET}.name", "other"),
    seed("TX-03", _CLIENT, f"{_TARGET}.kind", "ListenerSet"),
    seed("TX-03", _CLIENT, f"{_TARGET}.group", "gateway.envoyproxy.io"),
    seed("TX-03", _CLIENT, f"{_TARGET}.sectionName", "https-2"),
    seed("TX-03", _CLIENT, "metadata.namespace", "south-platform", name="north-*"),
    extra("TX-03", _policy("ClientTrafficPolicy", {"timeout": {}}, "Gateway", "gateway")).here(),
    seed("TX-03", _GATEWAY, f"{_LISTENER}.protocol", "HTTP"),
    seed("TX-03", _GATEWAY, f"{_LISTENER}.tls.mode", "Passthrough"),
    seed("TX-03", _NS, "metadata.labels.{istio-injection}", "disabled", name="*-serving"),
    seed(
        "TX-03", _JOB, f"{_POD}.metadata.labels.{{sidecar.istio.io/inject}}", "false", name="*-planner", hides=False
    ).here(),
    seed(
        "TX-03",
        _IS,
        "spec.predictor.annotations",
        {"traffic.sidecar.istio.io/excludeInboundPorts": "8080"},
        hides=False,
    ).here(),
    seed("TX-03", _LISTENERS, "mutualAuthentication.mode", "passthrough", name="https"),
    seed("TX-03", _LISTENERS, "mutualAuthentication.mode", "off", name="https"),
    seed("TX-03", _LISTENERS, "mutualAuthentication", GONE, name="https"),
    seed("TX-03", _LISTENERS, "mutualAuthentication.trustStoreArn", GONE, name="https"),
    seed("TX-03", _LISTENERS, "mutualAuthentication.ignoreClientCertificateExpiry", True, name="https"),
]

TLS: list[Seed] = [
    *(seed("TX-04", _CLIENT, "spec.tls.minVersion", version) for version in ("1.0", "1.1", "Auto")),
    seed("TX-04", _CLIENT, "spec.tls.maxVersion", "1.1"),
    seed("TX-04", _CLIENT, "spec.tls.ciphers", ["ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"]),
    seed("TX-04", _CLIENT, "spec.tls.ecdhCurves", ["P-224"]),
    seed("TX-04", _CLIENT, "spec.tls.signatureAlgorithms", ["rsa_pkcs1_sha1"]),
    extra("TX-04", _policy("ClientTrafficPolicy", {"tls": {"minVersion": "1.0"}}, "Gateway", "gateway")).here(),
    seed("TX-04", _GATEWAY, f"{_LISTENER}.protocol", "HTTP"),
    seed("TX-04", _GATEWAY, f"{_LISTENER}.protocol", "TCP"),
    seed("TX-04", _GATEWAY, f"{_LISTENER}.tls.mode", "Passthrough"),
    seed("TX-04", _GATEWAY, f"{_LISTENER}.tls.certificateRefs", []),
    seed("TX-04", _GATEWAY, f"{_LISTENER}.tls.certificateRefs[0].name", "other"),
    seed("TX-04", _GATEWAY, f"{_LISTENER}.tls.certificateRefs[0].namespace", "south-platform", name="north-*"),
    seed("TX-04", _ISSUER, "spec.vault.path", GONE, hides=False),
    seed("TX-04", _ISSUER, "spec.vault.path", "south/workload-pki/sign/envoy", name="north-*"),
    seed("TX-04", _CERTIFICATE, "spec.issuerRef.name", "south-gateway", name="north-*"),
    seed("TX-04", _ISSUER, "spec.vault.server", "https://elsewhere.example"),
    seed("TX-04", _ISSUER, "spec", {"selfSigned": {}}),
    seed("TX-04", _CERTIFICATE, "spec.secretName", "other"),
    seed("TX-04", _CERTIFICATE, "metadata.namespace", "elsewhere"),
    absent("TX-04", _CERTIFICATE),
    seed("TX-01", _LISTENERS, "defaultActions", [], name="http"),
    seed("TX-01", "aws:lb/listenerRule:ListenerRule", "actions[0].type", "forward"),
]

WORKFLOWS: list[Seed] = [
    *(
        seed("ML-05", _ROUTE, f"spec.rules[0].{path}", value)
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
    seed("ML-05", _ROUTE, "spec.rules[0].matches[0].path.value", "/v1/notes").here(),
    seed("ML-05", _ROUTE, "spec.rules[0].backendRefs[0].name", "other").here(),
    extra("ML-05", _route()).here(),
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
        seed("AUTH-01", _ROUTE, "spec.rules[0].matches[0].path.value", f"/v1/models/{model}/scores").here()
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
    seed("AUTH-01", _SECURITY, f"{_TARGET}.name", "other"),
    extra("TX-03", _sink()),
    seed("AUTH-01", _SECURITY, f"{_TARGET}.kind", "HTTPRoute"),
    seed("AUTH-01", _SECURITY, f"{_TARGET}.sectionName", "https-2"),
    seed("AUTH-01", _SECURITY, "spec.targetRefs", GONE, hides=False).with_(
        "spec.targetSelectors", [{"kind": "Gateway", "matchLabels": {"app": "other"}}]
    ),
    extra("AUTH-01", _policy("SecurityPolicy", {"cors": {}})).here(),
    extra("AUTH-01", _policy("SecurityPolicy", {"mergeType": "StrategicMerge", "jwt": {"optional": True}})).here(),
    extra(
        "AUTH-01",
        _policy("SecurityPolicy", {"mergeType": "JSONMerge", "authorization": {"defaultAction": "Allow"}}),
    ).here(),
    extra("AUTH-01", _policy("SecurityPolicy", {}, "Gateway", "gateway")).here(),
    seed("AUD-08", _PROXY, f"{_LOG}.disable", True),
    seed("AUD-08", _PROXY, f"{_LOG}.settings", []),
    seed("AUD-08", _PROXY, f"{_LOG}.settings[0].matches", ["response.code >= 500"]),
    seed("AUD-08", _PROXY, f"{_LOG}.settings[0].type", "Listener"),
    seed("AUD-08", _PROXY, f"{_LOG}.settings[0].sinks", []),
    seed("AUD-08", _PROXY, f"{_LOG}.settings[0].sinks[0].file.path", "/dev/null"),
    seed("AUD-08", _PROXY, f"{_LOG}.settings[0].format.json", {"time": "%START_TIME%"}),
    seed("AUD-08", _PROXY, f"{_LOG}.settings[0].format.type", "Text"),
    *(
        seed("AUD-08", _PROXY, f"{_LOG}.settings[0].format.json.more", operator)
        for operator in (
            "%REQ(:PATH)%",
            "%REQ_WITHOUT_QUERY(:PATH)%",
            "%REQ(AUTHORIZATION):20%",
            "%RESPONSE_CODE_DETAILS%",
        )
    ),
    seed("AUD-08", _PROXY, f"{_ENVOY_SERVICE}.externalTrafficPolicy", "Cluster"),
]

DECLARED: list[Seed] = [
    absent("SEG-12", _TRAFFIC),
    seed("SEG-12", _CLIENT, "spec.headers.xForwardedClientCert.mode", "AlwaysForwardOnly"),
    seed("SEG-12", _CLIENT, "spec.enableProxyProtocol", True),
    seed("SEG-12", _GATEWAY, "spec.listeners", lambda old: [*old, _HTTP_LISTENER]),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit", GONE),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules", []),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].limit.requests", 4_000_000_000),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].limit", {"requests": 100_000, "unit": "Second"}),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].clientSelectors", [{"headers": [{"name": "x"}]}]),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].shadowMode", True),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.type", "Global"),
    seed("SEG-12", _TRAFFIC, f"{_TARGET}.name", "other"),
    extra("SEG-12", _policy("BackendTrafficPolicy", {"timeout": {}})).here(),
    seed("SEG-12", _PROXY, f"{_ENVOY_SERVICE}.annotations", {}),
    seed("SEG-12", _PROXY, f"{_ENVOY_SERVICE}.annotations.{{{_SCHEME}}}", "internet-facing"),
    seed("SEG-12", _PROXY, f"{_ENVOY_SERVICE}.type", "NodePort"),
    seed("SEG-12", _PROXY, f"{_ENVOY_SERVICE}.loadBalancerClass", "example.com/other"),
    seed("SEG-12", _PROXY, f"{_ENVOY_SERVICE}.patch", {"value": {"spec": {"externalIPs": ["198.51.100.7"]}}}),
    seed("SEG-12", _PROXY, "spec.bootstrap", {"type": "Merge", "value": "admin: {}"}),
    seed("SEG-12", _PROXY, "spec.extraArgs", ["--config-yaml", "admin: {}"]),
    seed("SEG-12", _CLASS, "spec.controllerName", "example.com/other"),
    seed("SEG-12", _CLASS, "spec.parametersRef", GONE),
    seed("SEG-12", _CLASS, "spec.parametersRef.kind", "Other"),
    seed("SEG-12", _CLASS, "metadata.name", "others", hides=False),
    seed("SEG-12", _GATEWAY, "metadata.namespace", "north-serving", name="north-*"),
    seed("SEG-12", _GATEWAY, "spec.addresses", [{"type": "IPAddress", "value": "198.51.100.7"}]),
    seed("SEG-12", _GATEWAY, "spec.infrastructure", {"annotations": {_SCHEME: "internet-facing"}}),
    seed(
        "SEG-12",
        _GATEWAY,
        "spec.infrastructure",
        {"parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "own"}},
    ),
    seed("SEG-12", _GATEWAY, "spec.allowedListeners", {"namespaces": {"from": "All"}}),
    seed("SEG-12", _ROUTE, "spec.rules[0].backendRefs[0].name", "other"),
    seed("SEG-12", _ROUTE, "spec.rules[0].backendRefs[0].namespace", "south-serving", name="north-*"),
    seed("SEG-12", _ROUTE, "spec.rules[0].backendRefs[0].kind", "Backend"),
    *(
        seed("SEG-12", _ROUTE, f"spec.rules[0].{path}", value)
        for path, value in (
            ("matches", GONE),
            ("matches[0].path.value", "/v1/"),
            ("matches[0].path.value", "/v1/scores-of-all"),
            ("matches[0].path.value", "/v1/scores/../feedback"),
            ("matches[0].path.value", "/v1/models"),
            ("matches[0].path.value", "/v1/models/UPPER/scores"),
            ("matches[0].path.value", "/v1/models/boosted"),
            ("matches[0].path.type", "RegularExpression"),
            ("matches[0].path", GONE),
            ("filters", [{"type": "URLRewrite", "urlRewrite": {"path": {"replaceFullPath": "/v2/repository"}}}]),
        )
    ),
    seed("SEG-12", _ROUTE, "spec.rules[0].filters", [{"type": "ExtensionRef", "extensionRef": {"name": "x"}}]),
    seed(
        "SEG-12",
        _ROUTE,
        "spec.rules[0].filters",
        [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "namespace": "default"}}}],
    ),
    extra("SEG-12", _route(kind="TCPRoute")).here(),
    extra("SEG-12", _route(namespace="south-platform")).here(),
    extra("SEG-12", _route(name="ingestor", namespace="north-phi")).here(),
    seed("SEG-12", _GRANT, "spec.from[0].namespace", "south-platform", name="north-*"),
    seed("SEG-12", _GRANT, "spec.from[0].kind", "TCPRoute"),
    seed("SEG-12", _GRANT, "spec.to[0].name", GONE),
    seed("SEG-12", _GRANT, "spec.to[0].kind", "Secret"),
    seed("SEG-12", _GRANT, "metadata.namespace", "north-data", name="north-*", hides=False),
    seed("SEG-12", _GATEWAY, f"{_LISTENER}.name", "other"),
    extra("SEG-12", _object("gateway.envoyproxy.io/v1alpha1:HTTPRouteFilter", "north-platform", {"urlRewrite": {}})),
    extra("SEG-12", _object("gateway.envoyproxy.io/v1alpha1:EnvoyPatchPolicy", "north-platform", {})),
    extra("SEG-12", _object("gateway.envoyproxy.io/v1alpha1:EnvoyExtensionPolicy", "north-platform", {})),
    extra("SEG-12", _object("gateway.networking.k8s.io/v1:ListenerSet", "north-platform", {})),
    extra("SEG-12", _object("networking.k8s.io/v1:Ingress", "north-serving", {"tls": [{"secretName": "x"}]})),
    seed("SEG-12", _GATEWAY, f"{_LISTENER}.allowedRoutes.namespaces.from", "All"),
    seed("SEG-12", _PROXY, "spec.provider.type", "Host"),
    seed("SEG-12", _LISTENERS, "loadBalancerArn", "arn:elsewhere"),
    seed("SEG-12", _CHART, "values.ingress.enabled", True, hides=False),
    seed("SEG-12", _CHART, "values.grafana", {"httpRoute": {"enabled": "true"}}, hides=False),
    seed("SEG-12", _BALANCER, "internal", False),
    seed("SEG-12", _BALANCER, "internal", GONE),
    *(
        extra("SEG-12", build(type_, "extra", props))
        for type_, props in (
            ("aws:apigatewayv2/api:Api", {}),
            ("aws:apigateway/restApi:RestApi", {"endpointConfiguration": {"types": "REGIONAL"}}),
            ("aws:apprunner/service:Service", {}),
            ("aws:cloudfront/distribution:Distribution", {"enabled": True}),
            ("aws:globalaccelerator/accelerator:Accelerator", {}),
            ("aws:lambda/functionUrl:FunctionUrl", {"authorizationType": "NONE"}),
            ("aws:lightsail/instance:Instance", {}),
            ("aws:opensearch/domain:Domain", {"domainName": "x"}),
            ("aws:redshift/cluster:Cluster", {"publiclyAccessible": True}),
            ("aws:transfer/server:Server", {"endpointType": "PUBLIC"}),
            ("aws:elb/loadBalancer:LoadBalancer", {"internal": True}),
            ("aws:ec2/vpcEndpointService:VpcEndpointService", {}),
            ("aws:ec2/vpnConnection:VpnConnection", {}),
            ("aws:ec2transitgateway/transitGateway:TransitGateway", {"autoAcceptSharedAttachments": "enable"}),
        )
    ),
    seed(
        "SEG-12",
        "aws:msk/cluster:Cluster",
        "brokerNodeGroupInfo",
        {"connectivityInfo": {"publicAccess": {"type": "SERVICE_PROVIDED_EIPS"}}},
    ),
]

SERVICES: list[Seed] = [
    seed("SEG-11", _CHART, "values.service.type", "NodePort", hides=False),
    seed("SEG-11", _CHART, "values.service.externalIPs", ["198.51.100.7"], hides=False),
    seed("SEG-11", _CHART, "values.hostNetwork", True, hides=False),
    *(seed("SEG-11", _SERVICE, "spec.type", kind) for kind in ("LoadBalancer", "NodePort", "ExternalName")),
    seed("SEG-11", _SERVICE, "spec.externalIPs", ["198.51.100.7"]),
    seed("SEG-11", _JOB, f"{_POD}.spec.hostNetwork", True),
    seed("SEG-11", _JOB, f"{_POD}.spec.containers[0].ports", [{"containerPort": 80, "hostPort": 80}]),
    extra(
        "SEG-11",
        _object(
            "networking.k8s.io/v1:Ingress",
            "north-serving",
            {},
            annotations={"nginx.ingress.kubernetes.io/server-snippet": "x"},
        ),
    ),
]

CLOUD: list[Seed] = [
    *(
        seed("SEG-05", _SG, "ingress[0].cidrBlocks", networks)
        for networks in (["0.0.0.0/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["8.8.8.0/24"], ["10.0.0.0/7"])
    ),
    seed("SEG-05", _SG, "ingress[0].ipv6CidrBlocks", ["::/0"]),
    seed("SEG-05", _SG, "ingress[0].ipv6CidrBlocks", ["2000::/3"]),
    seed("SEG-05", _SG, "ingress[0].prefixListIds", ["pl-1"]),
    seed("SEG-05", _SG, "ingress[0].fromPort", 20),
    seed("SEG-05", _SG, "ingress[0].fromPort", -1),
    seed("SEG-05", _SG, "ingress[0].protocol", "-1"),
    seed("SEG-05", _SG, "ingress[0].protocol", "all"),
    seed("SEG-05", _SG_RULE, "cidrBlocks", ["0.0.0.0/0"]),
    seed("SEG-05", _SG_RULE, "cidrBlocks", ["0.0.0.0/0"]).with_(f"tags.{{{PREFIX}/public-alb}}", "true"),
    seed("SEG-05", _SG_INGRESS, "cidrIpv4", "0.0.0.0/0"),
    seed("SEG-05", _SG_INGRESS, "cidrIpv6", "::/0"),
    seed("SEG-05", _SG_INGRESS, "prefixListId", "pl-1"),
    seed("SEG-05", _SG, "egress", [{"protocol": "-1", "cidrBlocks": ["10.40.0.0/16"]}]),
    seed("SEG-05", _SG, "egress", [{"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["0.0.0.0/0"]}]),
    seed("SEG-05", _SG, "ingress[0].securityGroups", ["sg-stranger"]),
    seed("SEG-05", _SG_INGRESS, "securityGroupId", "sg-stranger"),
    seed("SEG-07", "aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", True),
    seed("SEG-07", _TEMPLATE, "networkInterfaces[0].associatePublicIpAddress", "true"),
    seed("SEG-07", _INSTANCE, "associatePublicIpAddress", True),
    seed("SEG-07", "aws:ec2/eip:Eip", "instance", "i-1"),
    seed("SEG-07", "aws:ec2/eip:Eip", "networkInterface", "eni-1"),
    extra("SEG-07", build("aws:ec2/eipAssociation:EipAssociation", "x", {"instanceId": "i-1"})),
    extra(
        "SEG-07",
        build("aws:ec2/launchConfiguration:LaunchConfiguration", "x", {"associatePublicIpAddress": True}),
    ),
    extra("SEG-07", build("aws:ecs/service:Service", "x", {"networkConfiguration": {"assignPublicIp": True}})),
    seed("SEG-07", "aws:rds/clusterInstance:ClusterInstance", "publiclyAccessible", True),
    seed("SEG-07", "aws:rds/instance:Instance", "publiclyAccessible", True),
    seed("SEG-07", "aws:rds/cluster:Cluster", "enableHttpEndpoint", True),
    seed("SEG-08", "aws:ec2/route:Route", "routeTableId", "rtb-private"),
    seed("SEG-08", "aws:ec2/route:Route", "routeTableId", "rtb-private").with_("destinationCidrBlock", "8.0.0.0/7"),
    seed(
        "SEG-08",
        "aws:ec2/routeTable:RouteTable",
        "routes",
        [{"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}],
        name="private",
    ),
    extra("SEG-08", build("aws:ec2/networkInterface:NetworkInterface", "x", {"subnetId": "subnet-public"})).here(),
    seed("SEG-10", "aws:eks/cluster:Cluster", "vpcConfig.endpointPublicAccess", True).with_(
        "vpcConfig.publicAccessCidrs", ["0.0.0.0/1", "128.0.0.0/1"]
    ),
]

SEEDS = [*MUTUAL_TLS, *TLS, *WORKFLOWS, *CLIENTS, *DECLARED, *SERVICES, *CLOUD]
