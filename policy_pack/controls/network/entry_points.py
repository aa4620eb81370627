"""Entry points from outside, compared with the table of those that may exist and what must protect each."""

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.facts.exposure.aws_services import aws_services, public_resources
from policy_pack.facts.exposure.chart_values import chart_values
from policy_pack.facts.exposure.cluster_services import (
    EXTENSIONS,
    extensions,
    host_ports,
    ingresses,
    reference_grants,
    services,
)
from policy_pack.facts.exposure.entry_points import compared
from policy_pack.facts.exposure.gateway_objects import GROUP, named, object_namespace
from policy_pack.facts.exposure.gateways import listeners, routed_services
from policy_pack.facts.exposure.load_balancers import listeners_elsewhere, load_balancers
from policy_pack.facts.exposure.route_backends import WORKLOAD_LABEL
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import Findings, StackContext, guarded, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    CLIENT_POLICY,
    GATEWAY,
    HELM_CHARTS,
    HTTP_ROUTE,
    INFERENCE_SERVICE,
    INGRESS,
    LISTENERS,
    LOAD_BALANCERS,
    REFERENCE_GRANT,
    SECURITY_POLICY,
    SERVICE,
    TRAFFIC_POLICY,
)
from policy_pack.stack.pods import CONTAINER_OWNERS, namespace, pod

_PREDICTOR = "-predictor"
# ServiceAccount of gateways.
_GATEWAY = "envoy"


def found_public(resource: Resource, control: str) -> Findings:
    """Yield what a control has to say about an AWS resource that clients outside can reach by itself."""
    for entries in public_resources(resource):
        yield from guarded(finding for entry in entries for finding in compared(entry, control))


@resource_check("SEG-12", *aws_services())
def aws_services_are_allowed(resource: Resource) -> Findings:
    """Refuse AWS services that clients outside can reach, and links to other networks, unless the table has them."""
    yield from found_public(resource, "SEG-12")


@context_check("SEG-12", INGRESS)
def ingresses_are_allowed(ingress: Resource, context: StackContext) -> Findings:
    """Refuse Ingresses that the table does not have."""
    for entry in ingresses(ingress, context):
        yield from compared(entry, "SEG-12")


@context_check("SEG-12", *EXTENSIONS)
def extensions_are_allowed(resource: Resource, context: StackContext) -> Findings:
    """Refuse objects that change what a gateway accepts, as their effect is not evaluated."""
    for entry in extensions(resource, context):
        yield from compared(entry, "SEG-12")


@context_check("SEG-12", REFERENCE_GRANT)
def reference_grants_are_allowed(grant: Resource, context: StackContext) -> Findings:
    """Refuse ReferenceGrants to other namespaces, kinds and objects than those of the table."""
    for entry in reference_grants(grant, context):
        yield from compared(entry, "SEG-12")


@context_check("SEG-11", SERVICE)
def services_are_internal(service: Resource, context: StackContext) -> Findings:
    """Refuse Services that are reachable from outside the cluster, or that lead there."""
    for entry in services(service, context):
        yield from compared(entry, "SEG-11")


@context_check("SEG-11", *CONTAINER_OWNERS)
def pods_use_no_ports_of_nodes(owner: Resource, context: StackContext) -> Findings:
    """Refuse pods that listen on the network of their nodes."""
    for entry in host_ports(owner, context):
        yield from compared(entry, "SEG-11")


@resource_check("SEG-11", *HELM_CHARTS)
def charts_have_no_external_services(chart: Resource) -> Findings:
    """Refuse values of a chart that make Services reachable from outside, or pods listen on their nodes."""
    for entry in chart_values(chart):
        yield from compared(entry, "SEG-11")


@resource_check("SEG-12", *HELM_CHARTS)
def charts_have_no_routes(chart: Resource) -> Findings:
    """Refuse values of a chart that switch on an Ingress or a route."""
    for entry in chart_values(chart):
        yield from compared(entry, "SEG-12")


@join_check("SEG-12", GATEWAY)
def listeners_are_allowed(gateway: Resource, context: StackContext) -> Findings:
    """Refuse listeners, routes and backends that the table does not have, and requests without a rate limit."""
    yield from _listeners(gateway, context, "SEG-12")


@join_check("TX-03", GATEWAY)
def listeners_require_client_certificates(gateway: Resource, context: StackContext) -> Findings:
    """Require a verified client certificate on every listener."""
    yield from _listeners(gateway, context, "TX-03")


@join_check("TX-04", GATEWAY)
def listeners_use_tls(gateway: Resource, context: StackContext) -> Findings:
    """Require TLS 1.2 or newer on every listener, with a certificate of cert-manager."""
    yield from _listeners(gateway, context, "TX-04")


@join_check("AUTH-01", GATEWAY)
def listeners_authenticate_clients(gateway: Resource, context: StackContext) -> Findings:
    """Require a validated JWT and an authorization rule on every route of every listener."""
    yield from _listeners(gateway, context, "AUTH-01")


@join_check("AUD-08", GATEWAY)
def listeners_record_requests(gateway: Resource, context: StackContext) -> Findings:
    """Require an audit record of every request."""
    yield from _listeners(gateway, context, "AUD-08")


def _listeners(gateway: Resource, context: StackContext, control: str) -> Findings:
    for entry in listeners(gateway, context):
        yield from guarded(compared(entry, control), entry.property_path)


@join_check("SEG-12", *LOAD_BALANCERS)
def load_balancers_are_allowed(load_balancer: Resource, context: StackContext) -> Findings:
    """Refuse load balancers that are reachable from the internet."""
    for entry in load_balancers(load_balancer, context):
        yield from compared(entry, "SEG-12")


@join_check("SEG-12", *LISTENERS)
def load_balancers_of_listeners_are_allowed(listener: Resource, context: StackContext) -> Findings:
    """Refuse listeners of load balancers that are not in the stack."""
    for entry in listeners_elsewhere(listener, context):
        yield from compared(entry, "SEG-12")


@join_check("TX-03", *LOAD_BALANCERS)
def load_balancers_require_client_certificates(load_balancer: Resource, context: StackContext) -> Findings:
    """Require a verified client certificate on every listener of a load balancer."""
    for entry in load_balancers(load_balancer, context):
        yield from compared(entry, "TX-03")


@join_check("AUTH-01", INFERENCE_SERVICE)
def models_are_behind_a_gateway(service: Resource, context: StackContext) -> Findings:
    """Require that clients reach the model through a gateway, which authenticates them, or through a workload only."""
    if not (_is_routed(service, context) or _has_workload_callers(service)):
        yield violation("accepts requests without a validated JWT, as no gateway routes requests to it")


@join_check("AUD-08", INFERENCE_SERVICE)
def predictions_have_audit_records(service: Resource, context: StackContext) -> Findings:
    """Require that clients reach the model through a gateway or a workload, which writes the audit record."""
    if not (_is_routed(service, context) or _has_workload_callers(service)):
        yield violation("has no gateway route, so its predictions have no audit record")


def _is_routed(service: Resource, context: StackContext) -> bool:
    name, own = service.at("metadata.name").text(), namespace(service).text()
    return bool({(own, name), (own, f"{name}{_PREDICTOR}")} & routed_services(context))


def _has_workload_callers(service: Resource) -> bool:
    """Return whether the zone table lets other workloads request predictions, and neither the gateway nor an endpoint.

    Controls SEG-02 and SEG-09 compare the connections of the stack with the zone table.
    """
    own = pod(service).labels.key(WORKLOAD_LABEL).text()
    callers = {flow.source for flow in zones().flows if flow.target == own} - set(zones().platform_pods)
    return bool(callers) and callers <= zones().workload_zones.keys() - {_GATEWAY}


@join_check("SEG-12", CLIENT_POLICY, SECURITY_POLICY, TRAFFIC_POLICY)
def policies_apply_to_objects_of_the_stack(policy: Resource, context: StackContext) -> Findings:
    """Refuse a policy of a gateway whose target, listener or rule does not exist: it would protect nothing."""
    namespace = object_namespace(policy, context.graph)
    for reference in policy.at("spec.targetRefs").items():
        kind, name = reference.at("kind").text(), reference.at("name").text()
        target = named(context.graph, f"k8s:{GROUP}/{kind}", namespace, name)
        section = reference.at("sectionName").text()
        if target is None:
            yield violation(f"applies to {kind} {name}, which the stack does not have", reference.path)
        elif section and section not in _sections(target):
            yield violation(f"applies to {section} of {kind} {name}, which does not have it", reference.path)


@join_check("SEG-12", TRAFFIC_POLICY)
def requests_at_once_are_limited(policy: Resource, context: StackContext) -> Findings:
    """Require a limit of requests at once on routes with pods: without it one client's slow requests fill the pods."""
    limit = "spec.circuitBreaker.maxParallelRequests"
    if not policy.at(limit).absent:
        return
    namespace = object_namespace(policy, context.graph)
    for reference in policy.at("spec.targetRefs").items():
        route = named(context.graph, HTTP_ROUTE, namespace, reference.at("name").text())
        if route is not None and any(not rule.at("backendRefs").absent for rule in route.at("spec.rules").items()):
            yield violation(f"has no limit of requests at once for its pods ({limit})", limit)


def _sections(target: Resource) -> set[str]:
    path = "spec.listeners" if target.kind == GATEWAY else "spec.rules"
    return {section.at("name").text() for section in target.at(path).items()}


@resource_check("SEG-12", CLIENT_POLICY)
def clients_do_not_name_their_address(policy: Resource) -> Findings:
    """Refuse the proxy protocol and headers of addresses, by which a client says where it comes from."""
    for path in ("spec.enableProxyProtocol", "spec.proxyProtocol", "spec.clientIPDetection"):
        value = policy.at(path)
        if not value.absent and value.value is not False:
            yield violation("lets clients name the address that they come from", path)


@resource_check("SEG-12", CLIENT_POLICY)
def clients_do_not_name_their_certificate(policy: Resource) -> Findings:
    """Refuse modes in which a client's own header with the details of a certificate reaches a workload."""
    path = "spec.headers.xForwardedClientCert.mode"
    mode = policy.at(path)
    if not mode.absent and mode.value not in ("Sanitize", "SanitizeSet"):
        yield violation("forwards a header in which clients name a certificate", path)
