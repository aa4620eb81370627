"""What all hospitals' gateways have in common: who runs them, how large, who reaches them, and what they record."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.settings import names
from infra.settings.values import Amount, Resources
from workloads.zones import flow_table

CLASS = "hospitals"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
API = "gateway.networking.k8s.io/v1"
ENVOY_API = "gateway.envoyproxy.io/v1alpha1"
REPLICAS = 2
SIZE = Resources(requests=Amount(250, 256), limits=Amount(1000, 512))
# Tells the model, and the record, which application asks; a caller's own header of this name is thrown away.
APPLICATION_HEADER = "x-application"

# One line for each request: who asked what, and what came of it. Paths name models; queries and bodies stay out.
RECORD = {
    "time": "%START_TIME%",
    "request": "%REQ(X-REQUEST-ID)%",
    "application": f"%REQ({APPLICATION_HEADER.upper()})%",
    "certificate": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ_WITHOUT_QUERY(:PATH)%",
    "answer": "%RESPONSE_CODE%",
    "why": "%RESPONSE_CODE_DETAILS%",
    "milliseconds": "%DURATION%",
}
# A load balancer of the VPC, which hands on callers' own addresses.
_INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
}


@dataclass(frozen=True)
class GatewaysArgs:
    """Where the controller's settings are.

    Parameters
    ----------
    namespace
        The controller's namespace.
    """

    namespace: pulumi.Input[str]


class Gateways(pulumi.ComponentResource):
    """The class of gateways, and the proxy that each of them starts."""

    def __init__(self, name: str, args: GatewaysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Gateways", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = names.labels(names.SHARED, "platform", flow_table.GATEWAY)
        proxy = CustomResource(
            f"{name}-proxy",
            api_version=ENVOY_API,
            kind="EnvoyProxy",
            metadata=ObjectMetaArgs(name=CLASS, namespace=args.namespace, labels=labels),
            spec=_proxy(),
            opts=child,
        )
        reference = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": CLASS, "namespace": args.namespace}
        CustomResource(
            name,
            api_version=API,
            kind="GatewayClass",
            metadata=ObjectMetaArgs(name=CLASS, labels=labels),
            spec={"controllerName": CONTROLLER, "parametersRef": reference},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[proxy]),
        )
        self.register_outputs({})


def _proxy() -> dict[str, object]:
    hardened = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    resources = {"requests": SIZE.requests.quantities, "limits": SIZE.limits.quantities}
    return {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {
                    "replicas": REPLICAS,
                    "container": {"resources": resources, "securityContext": hardened},
                    "pod": {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}},
                },
                "envoyPDB": {"minAvailable": REPLICAS - 1},
                "envoyService": {"type": "LoadBalancer", "annotations": _INTERNAL},
            },
        },
        "telemetry": {
            "accessLog": {
                "settings": [
                    {
                        "format": {"type": "JSON", "json": RECORD},
                        "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}],
                    }
                ]
            }
        },
    }
