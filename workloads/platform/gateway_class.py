"""GatewayClass and EnvoyProxy of all hospitals' gateways: replicas, resources, load balancer, access log."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.settings import Resources, names
from workloads.zones import workload_table
from workloads.zones.workload_table import GATEWAY

CLASS = "hospitals"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
API = "gateway.networking.k8s.io/v1"
ENVOY_API = "gateway.envoyproxy.io/v1alpha1"
# The verified client application, set by the gateway for the model server and the access log.
APPLICATION_HEADER = "x-application"

# Fields of the access log, one line a request; without query strings and bodies, which may contain PHI.
ACCESS_LOG = {
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
# Internal Network Load Balancer, which preserves client addresses.
_INTERNAL_NLB = {
    "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
}


@dataclass(frozen=True)
class GatewaysArgs:
    """Arguments of the gateway class.

    Parameters
    ----------
    namespace
        Namespace of Envoy Gateway.
    """

    namespace: pulumi.Input[str]


class Gateways(pulumi.ComponentResource):
    """GatewayClass with its EnvoyProxy configuration."""

    def __init__(self, name: str, args: GatewaysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Gateways", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        gateway = workload_table.row(GATEWAY)
        labels = names.labels(names.SHARED, gateway.zone, gateway.service_account)
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


def replicas() -> int:
    """Return the number of Envoy pods of a gateway."""
    number = workload_table.row(GATEWAY).pods.replicas
    if number == "hospital":
        raise ValueError("the gateway's replicas in workloads.yaml must be a number")
    return number


def _resources() -> dict[str, object]:
    resources = workload_table.row(GATEWAY).pods.resources
    if not isinstance(resources, Resources):
        raise ValueError("the gateway's resources in workloads.yaml must be requests and limits")
    return {
        "requests": resources.requests.quantities,
        "limits": resources.limits.quantities,
    }


def _proxy() -> dict[str, object]:
    security_context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod_security_context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {
                    "replicas": replicas(),
                    "container": {"resources": _resources(), "securityContext": security_context},
                    "pod": {"securityContext": pod_security_context},
                },
                "envoyPDB": {"minAvailable": replicas() - 1},
                "envoyService": {"type": "LoadBalancer", "annotations": _INTERNAL_NLB},
            },
        },
        "telemetry": {
            "accessLog": {
                "settings": [
                    {
                        "format": {"type": "JSON", "json": ACCESS_LOG},
                        "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}],
                    }
                ]
            }
        },
    }
