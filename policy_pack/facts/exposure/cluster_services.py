"""Entry points of Kubernetes objects other than gateways: Services, Ingresses, ports of nodes, and ReferenceGrants."""

from collections.abc import Iterator, Mapping
from functools import partial

from policy_pack.facts.exposure.entry_points import EntryPoint
from policy_pack.facts.exposure.gateway_objects import GROUP, answers_itself, label_of, object_namespace
from policy_pack.facts.exposure.table import AllowedEntryPoint, Reach, in_hospital
from policy_pack.stack import pods
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Resource

# Annotations of the AWS cloud provider and its controller, by whose rules a load balancer is internal.
_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
_INTERNAL, _SCHEME, _TYPE = f"{_PREFIX}internal", f"{_PREFIX}scheme", f"{_PREFIX}type"
# Load balancers of the AWS Load Balancer Controller, which alone reads the annotation for the scheme.
_CONTROLLER_TYPES = ("external", "nlb-ip")
_CONTROLLER_CLASS = "service.k8s.aws/nlb"

_ALB_SCHEME = "alb.ingress.kubernetes.io/scheme"
# They change what a gateway accepts, or add listeners and backends to it.
EXTENSIONS = (
    "k8s:gateway.envoyproxy.io/EnvoyPatchPolicy",
    "k8s:gateway.envoyproxy.io/EnvoyExtensionPolicy",
    "k8s:gateway.envoyproxy.io/HTTPRouteFilter",
    "k8s:gateway.envoyproxy.io/Backend",
    "k8s:gateway.networking.k8s.io/ListenerSet",
    "k8s:gateway.networking.x-k8s.io/XListenerSet",
)


def _entry(kind: str, resource: Resource, context: StackContext, reach: Reach, why: str, path: str) -> EntryPoint:
    label, namespace = label_of(resource, context.graph), object_namespace(resource, context.graph)
    return EntryPoint(kind, resource, label, reach, why, namespace, path)


def services(service: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return how a Service is reachable from outside the cluster, or leads there."""
    entry = partial(_entry, "service", service, context)
    if not service.at("spec.externalIPs").absent:
        yield entry(Reach.INTERNET, "has external IP addresses", "spec.externalIPs")
    kind, annotations = service.at("spec.type").text() or "ClusterIP", service.at("metadata.annotations")
    match kind:
        case "ClusterIP":
            return
        case "ExternalName":
            yield entry(Reach.CLUSTER, "leads to a name outside the cluster", "spec.externalName")
        case "LoadBalancer":
            reach, why = scheme(annotations.whole() or {}, service.at("spec.loadBalancerClass").text())
            yield entry(reach, why or "is a load balancer", "spec.type")
        case _:
            yield entry(Reach.INTERNET, f"type {kind} opens a port of every node", "spec.type")


def ingresses(ingress: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return an Ingress, whose load balancer is public unless an annotation makes it internal."""
    internal = ingress.at("metadata.annotations").key(_ALB_SCHEME).text() == "internal"
    reach, why = (Reach.VPC, "") if internal else (Reach.INTERNET, f"has no annotation {_ALB_SCHEME}: internal")
    yield _entry("ingress", ingress, context, reach, why, "spec")


def host_ports(owner: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return the ports of nodes that pods listen on."""
    entry = partial(_entry, "host-port", owner, context)
    for declared in pods.pods(owner):
        spec = declared.spec.at("hostNetwork")
        if spec.value not in (None, False):
            yield entry(Reach.VPC, "its pods listen on the network of their nodes", spec.path)
    for container in pods.containers(owner):
        for port in container.view.at("ports").items():
            if not port.at("hostPort").absent and port.at("hostPort").value != 0:
                yield entry(Reach.VPC, f"port {port.at('hostPort').text()} of its nodes", port.path)


def extensions(resource: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return an extension of a gateway; a filter that only makes the gateway answer by itself is none."""
    if not answers_itself(resource):
        yield _entry("gateway-extension", resource, context, Reach.CLUSTER, "", "spec")


def reference_grants(grant: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return a ReferenceGrant, by which objects of other namespaces may refer to those of its own."""
    label, namespace = label_of(grant, context.graph), object_namespace(grant, context.graph)
    excess = partial(_beyond_grant, grant, namespace)
    yield EntryPoint("reference-grant", grant, label, Reach.CLUSTER, "", namespace, "spec", excess=excess)


def _beyond_grant(grant: Resource, namespace: str, row: AllowedEntryPoint) -> Iterator[str]:
    allowed, hospital = row.grants_to, row.hospital(namespace) or ""
    for source in grant.at("spec.from").items():
        who = (source.at("group").text(), source.at("kind").text(), source.at("namespace").text())
        if allowed is None or who != (GROUP, allowed.kind, in_hospital(allowed.namespace, hospital)):
            yield f"admits {who[1]} of {who[2] or 'no namespace'}"
    for target in grant.at("spec.to").items():
        if target.at("kind").text() != "Service" or target.at("name").absent:
            yield f"gives access to every {target.at('kind').text() or 'object'} instead of one named Service"


def scheme(annotations: Mapping[str, str], load_balancer_class: str = "") -> tuple[Reach, str]:
    """Return where clients of a Service of type LoadBalancer can be, and the reason.

    A load balancer of the cloud provider is public without the annotation ``internal``. The controller reads the
    annotation for the scheme as well, which takes precedence.
    """
    chosen, internal = annotations.get(_SCHEME), annotations.get(_INTERNAL)
    by_controller = annotations.get(_TYPE) in _CONTROLLER_TYPES or load_balancer_class == _CONTROLLER_CLASS
    if load_balancer_class not in ("", _CONTROLLER_CLASS):
        return Reach.INTERNET, f"the load balancer class {load_balancer_class} is not evaluated"
    if chosen not in (None, "internal"):
        return Reach.INTERNET, f"the annotation {_SCHEME} is {chosen}"
    if internal == "true" or (chosen == "internal" and by_controller and internal is None):
        return Reach.VPC, ""
    return Reach.INTERNET, f"its load balancer is public without the annotation {_INTERNAL}"
