"""Seeded violations of the controls over entry points: what opens another way in."""

from tests.policy.builders import GONE, PREFIX, build
from tests.policy.seeds.gateway import (
    AWS_LISTENER,
    CLIENT,
    CRON_JOB,
    ENVOY_SERVICE,
    GATEWAY,
    LISTENER,
    POD,
    PROXY,
    ROUTE,
    TARGET,
    declared,
    policy,
    route,
)
from tests.policy.seeds.seed import Seed, absent, extra, seed

_CLASS = "k8s:gateway.networking.k8s.io/GatewayClass"
_GRANT = "k8s:gateway.networking.k8s.io/ReferenceGrant"
_TRAFFIC = "k8s:gateway.envoyproxy.io/BackendTrafficPolicy"
_SERVICE = "k8s:core/Service"
_CHART = "k8s:helm.sh/Release"
_SCHEME = "service.beta.kubernetes.io/aws-load-balancer-scheme"
_SG, _SG_RULE = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/securityGroupRule:SecurityGroupRule"
_SG_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_INSTANCE, _TEMPLATE = "aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"
_HTTP_LISTENER = {"name": "http", "protocol": "HTTP", "port": 80}


DECLARED: list[Seed] = [
    absent("SEG-12", _TRAFFIC),
    seed("SEG-12", CLIENT, "spec.headers.xForwardedClientCert.mode", "AlwaysForwardOnly"),
    seed("SEG-12", CLIENT, "spec.enableProxyProtocol", True),
    seed("SEG-12", GATEWAY, "spec.listeners", lambda old: [*old, _HTTP_LISTENER]),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit", GONE),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules", []),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].limit.requests", 4_000_000_000),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].limit", {"requests": 100_000, "unit": "Second"}),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].clientSelectors", [{"headers": [{"name": "x"}]}]),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.local.rules[0].shadowMode", True),
    seed("SEG-12", _TRAFFIC, "spec.rateLimit.type", "Global"),
    seed("SEG-12", _TRAFFIC, f"{TARGET}.name", "other"),
    extra("SEG-12", policy("BackendTrafficPolicy", {"timeout": {}})).here(),
    seed("SEG-12", PROXY, f"{ENVOY_SERVICE}.annotations", {}),
    seed("SEG-12", PROXY, f"{ENVOY_SERVICE}.annotations.{{{_SCHEME}}}", "internet-facing"),
    seed("SEG-12", PROXY, f"{ENVOY_SERVICE}.type", "NodePort"),
    seed("SEG-12", PROXY, f"{ENVOY_SERVICE}.loadBalancerClass", "example.com/other"),
    seed("SEG-12", PROXY, f"{ENVOY_SERVICE}.patch", {"value": {"spec": {"externalIPs": ["198.51.100.7"]}}}),
    seed("SEG-12", PROXY, "spec.bootstrap", {"type": "Merge", "value": "admin: {}"}),
    seed("SEG-12", PROXY, "spec.extraArgs", ["--config-yaml", "admin: {}"]),
    seed("SEG-12", _CLASS, "spec.controllerName", "example.com/other"),
    seed("SEG-12", _CLASS, "spec.parametersRef", GONE),
    seed("SEG-12", _CLASS, "spec.parametersRef.kind", "Other"),
    seed("SEG-12", _CLASS, "metadata.name", "others", hides=False),
    seed("SEG-12", GATEWAY, "metadata.namespace", "north-serving", name="north-*"),
    seed("SEG-12", GATEWAY, "spec.addresses", [{"type": "IPAddress", "value": "198.51.100.7"}]),
    seed("SEG-12", GATEWAY, "spec.infrastructure", {"annotations": {_SCHEME: "internet-facing"}}),
    seed(
        "SEG-12",
        GATEWAY,
        "spec.infrastructure",
        {"parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "own"}},
    ),
    seed("SEG-12", GATEWAY, "spec.allowedListeners", {"namespaces": {"from": "All"}}),
    seed("SEG-12", ROUTE, "spec.rules[0].backendRefs[0].name", "other"),
    seed("SEG-12", ROUTE, "spec.rules[0].backendRefs[0].namespace", "south-serving", name="north-*"),
    seed("SEG-12", ROUTE, "spec.rules[0].backendRefs[0].kind", "Backend"),
    *(
        seed("SEG-12", ROUTE, f"spec.rules[0].{path}", value)
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
    seed("SEG-12", ROUTE, "spec.rules[0].filters", [{"type": "ExtensionRef", "extensionRef": {"name": "x"}}]),
    seed(
        "SEG-12",
        ROUTE,
        "spec.rules[0].filters",
        [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "namespace": "default"}}}],
    ),
    extra("SEG-12", route(kind="TCPRoute")).here(),
    extra("SEG-12", route(namespace="south-platform")).here(),
    extra("SEG-12", route(name="ingestor", namespace="north-phi")).here(),
    seed("SEG-12", _GRANT, "spec.from[0].namespace", "south-platform", name="north-*"),
    seed("SEG-12", _GRANT, "spec.from[0].kind", "TCPRoute"),
    seed("SEG-12", _GRANT, "spec.to[0].name", GONE),
    seed("SEG-12", _GRANT, "spec.to[0].kind", "Secret"),
    seed("SEG-12", _GRANT, "metadata.namespace", "north-data", name="north-*", hides=False),
    seed("SEG-12", GATEWAY, f"{LISTENER}.name", "other"),
    extra("SEG-12", declared("gateway.envoyproxy.io/v1alpha1:HTTPRouteFilter", "north-platform", {"urlRewrite": {}})),
    extra("SEG-12", declared("gateway.envoyproxy.io/v1alpha1:EnvoyPatchPolicy", "north-platform", {})),
    extra("SEG-12", declared("gateway.envoyproxy.io/v1alpha1:EnvoyExtensionPolicy", "north-platform", {})),
    extra("SEG-12", declared("gateway.networking.k8s.io/v1:ListenerSet", "north-platform", {})),
    extra("SEG-12", declared("networking.k8s.io/v1:Ingress", "north-serving", {"tls": [{"secretName": "x"}]})),
    seed("SEG-12", GATEWAY, f"{LISTENER}.allowedRoutes.namespaces.from", "All"),
    seed("SEG-12", PROXY, "spec.provider.type", "Host"),
    seed("SEG-12", AWS_LISTENER, "loadBalancerArn", "arn:elsewhere"),
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
    seed("SEG-11", CRON_JOB, f"{POD}.spec.hostNetwork", True),
    seed("SEG-11", CRON_JOB, f"{POD}.spec.containers[0].ports", [{"containerPort": 80, "hostPort": 80}]),
    extra(
        "SEG-11",
        declared(
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


SEEDS = [*DECLARED, *SERVICES, *CLOUD]
