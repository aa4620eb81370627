"""GatewayClass of all hospitals' gateways, and the EnvoyProxy of each: replicas, load balancer, access log."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster.cluster import CA_CONFIG_MAP, CA_KEY
from infra.cluster.pools import priority_class
from infra.settings import names
from workloads.blocks.drain import REPLACED_WHEN_READY
from workloads.platform.gateway_records import Recorder, record_settings
from workloads.zones import workload_table
from workloads.zones.workload_table import GATEWAY

CLASS = "hospitals"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
API = "gateway.networking.k8s.io/v1"
ENVOY_API = "gateway.envoyproxy.io/v1alpha1"
# The verified client application, set by the gateway for the model server and the access log.
APPLICATION_HEADER = "x-application"

# Fields of the access log, one line a request. Paths, query strings, bodies and user names may contain identifiers, so
# the name of the route stands for the path; a request without a route has none.
ACCESS_LOG = {
    "time": "%START_TIME%",
    "request": "%REQ(X-REQUEST-ID)%",
    "application": f"%REQ({APPLICATION_HEADER.upper()})%",
    "certificate": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "method": "%REQ(:METHOD)%",
    "route": "%ROUTE_NAME%",
    "answer": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "milliseconds": "%DURATION%",
}
# Internal Network Load Balancer, which preserves client addresses.
_INTERNAL_NLB = {
    "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
}
# Envoy trusts the authorities in this file when it fetches key sets and exchanges codes for tokens.
_TRUST_MOUNT = {
    "name": "trust",
    "mountPath": "/etc/ssl/certs/ca-certificates.crt",
    "subPath": CA_KEY,
    "readOnly": True,
}
_TRUST_VOLUME = {"name": "trust", "configMap": {"name": CA_CONFIG_MAP}}
# Envoy Gateway gives the shutdown manager the security context of Envoy, and no volume: a patch mounts one where it
# writes that connections are drained.
_DRAINED_VOLUME = {"name": "drained", "emptyDir": {"sizeLimit": "1Mi"}}
_DRAINED_MOUNT = {"name": "drained", "mountPath": "/tmp"}
_SHUTDOWN_MANAGER = {"name": "shutdown-manager", "volumeMounts": [_DRAINED_MOUNT]}
# A pod that ends says so to its clients with each answer, and waits until they have gone.
_SHUTDOWN = {"minDrainDuration": "10s", "drainTimeout": "30s"}
_PATCH = {"type": "StrategicMerge", "value": {"spec": {"template": {"spec": {"containers": [_SHUTDOWN_MANAGER]}}}}}


class Gateways(pulumi.ComponentResource):
    """GatewayClass of hospitals' gateways; the EnvoyProxy of each is in its hospital's namespace."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Gateways", name, None, opts)
        gateway = workload_table.row(GATEWAY)
        CustomResource(
            name,
            api_version=API,
            kind="GatewayClass",
            metadata=ObjectMetaArgs(
                name=CLASS, labels=names.labels(names.SHARED, gateway.zone, gateway.service_account)
            ),
            spec={"controllerName": CONTROLLER},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


@dataclass(frozen=True)
class ProxyPods:
    """Image and resources of a gateway's Envoy pods.

    Parameters
    ----------
    image
        Image of Envoy.
    replicas
        Number of pods.
    load_balancer
        Whether clients come by a load balancer of the cloud; elsewhere from the node.
    private_ca
        Whether servers outside of the cluster, such as the identity provider, have certificates of the cluster's CA.
    """

    image: pulumi.Input[str]
    replicas: int
    load_balancer: bool
    private_ca: bool


def _resources() -> dict[str, object]:
    resources = workload_table.row(GATEWAY).own_size()
    return {
        "requests": resources.requests.quantities,
        "limits": resources.limits.quantities,
    }


def proxy_spec(
    namespace: str, client_certificate: str, pods: ProxyPods, recorder: Recorder | None = None
) -> dict[str, object]:
    """Return the spec of an EnvoyProxy: pods, load balancer, access log, and the certificate for calls of services.

    Parameters
    ----------
    namespace
        Namespace of the gateway.
    client_certificate
        Name of the Secret with the certificate that Envoy presents to the hospital's services.
    pods
        What its pods are made of.
    recorder
        The service that puts refusals on record; None where the stack declares none.
    """
    service: dict[str, object] = {"type": "ClusterIP"}
    if pods.load_balancer:
        service = {"type": "LoadBalancer", "annotations": _INTERNAL_NLB}
    security_context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod_security_context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {
                    "replicas": pods.replicas,
                    "strategy": REPLACED_WHEN_READY,
                    "container": {
                        "image": pods.image,
                        "resources": _resources(),
                        "securityContext": security_context,
                        **({"volumeMounts": [_TRUST_MOUNT]} if pods.private_ca else {}),
                    },
                    "pod": {
                        "priorityClassName": priority_class(workload_table.row(GATEWAY).pool),
                        "securityContext": pod_security_context,
                        "volumes": [_DRAINED_VOLUME, *([_TRUST_VOLUME] if pods.private_ca else [])],
                    },
                    "patch": _PATCH,
                },
                "envoyPDB": {"minAvailable": pods.replicas - 1},
                "envoyService": service,
            },
        },
        # One thread, as the CPU limit is one.
        "concurrency": 1,
        "shutdown": _SHUTDOWN,
        **traffic_spec(namespace, client_certificate, recorder),
    }


def traffic_spec(namespace: str, client_certificate: str, recorder: Recorder | None = None) -> dict[str, object]:
    """Return what an EnvoyProxy has wherever Envoy runs: its logs and its TLS to services."""
    certificate = {"group": "", "kind": "Secret", "name": client_certificate, "namespace": namespace}
    return {
        # Warnings of Envoy's components contain paths of requests.
        "logging": {"level": {"default": "error"}},
        "backendTLS": {"clientCertificateRef": certificate, "minVersion": "1.2"},
        "telemetry": {
            "accessLog": {
                "settings": [
                    {
                        "format": {"type": "JSON", "json": ACCESS_LOG},
                        "sinks": [{"type": "File", "file": {"path": "/dev/stdout"}}],
                    },
                    *(record_settings(recorder) if recorder else ()),
                ]
            }
        },
    }
