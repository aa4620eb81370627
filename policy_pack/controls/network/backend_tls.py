"""TLS from gateways to the Services behind them: a gateway speaks plain HTTP to one that no BackendTLSPolicy names."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from policy_pack.controls.rules import join_check
from policy_pack.facts.exposure.gateway_objects import named, object_namespace
from policy_pack.facts.exposure.route_backends import Backend, backends
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import CONFIG_MAP, ROUTE_KINDS
from policy_pack.stack.values import View

_POLICY = "k8s:gateway.networking.k8s.io/BackendTLSPolicy"
_PROXY = "k8s:gateway.envoyproxy.io/EnvoyProxy"
_PEERS = "k8s:security.istio.io/PeerAuthentication"
_NAMES = {"Hostname": "hostname", "URI": "uri"}


@join_check("TX-03", *ROUTE_KINDS)
def routes_lead_to_verified_services(route: Resource, context: StackContext) -> Findings:
    """Require TLS with a verified certificate from the gateway to each Service that a route leads to."""
    for backend in dict.fromkeys(backends(route, context)):
        if backend.kind == "Service":
            yield from _verified(backend, context.graph)


@join_check("TX-03", _PROXY)
def records_go_to_verified_services(proxy: Resource, context: StackContext) -> Findings:
    """Require the same of the Services that a gateway's access log goes to."""
    own = object_namespace(proxy, context.graph)
    for reference in proxy.at("spec").each("telemetry.accessLog.settings[].sinks[].openTelemetry.backendRefs[]"):
        if reference.at("kind").text() in ("", "Service"):
            place = reference.at("namespace").text() or own
            yield from _verified(Backend("Service", place, reference.at("name").text(), True), context.graph)


def _verified(backend: Backend, graph: Graph) -> Findings:
    """Yield why the connection to a Service is not verified TLS; a strict mesh has its own."""
    if any(
        one.at("spec.mtls.mode").text() == "STRICT"
        for one in graph.where("metadata.namespace", backend.namespace, _PEERS)
    ):
        return
    by_service: Mapping[tuple[str, str], list[Resource]] = graph.memo("backend TLS policies", _by_service)
    policies = by_service.get((backend.namespace, backend.name), [])
    if not policies:
        yield violation(f"speaks plain HTTP to {backend.label}, which no BackendTLSPolicy names")
    for policy in policies:
        for problem in _problems(policy.at("spec.validation"), backend.namespace, graph):
            yield violation(f"does not verify {backend.label}: BackendTLSPolicy {policy.name} {problem}")


def _problems(validation: View, namespace: str, graph: Graph) -> Iterator[str]:
    authorities = validation.at("caCertificateRefs").items()
    if not authorities or not validation.at("wellKnownCACertificates").absent:
        yield "has no certificate authority of the stack"
    for one in authorities:
        kind, name = one.at("kind").text(), one.at("name").text()
        if one.at("group").text() or kind != "ConfigMap" or not named(graph, CONFIG_MAP, namespace, name):
            yield f"names the authority {kind} {name}, which the stack does not have"
    if validation.at("hostname").absent:
        yield "names no host"
    for one in validation.at("subjectAltNames").items():
        if one.at(_NAMES.get(one.at("type").text(), "type.none")).absent:
            yield "has an alternative name that is none"


def _by_service(graph: Graph) -> Mapping[tuple[str, str], list[Resource]]:
    """Return the policies by the namespace and name of each Service that they name with all its ports."""
    found: dict[tuple[str, str], list[Resource]] = defaultdict(list)
    for policy in graph.of(_POLICY):
        for target in policy.at("spec.targetRefs").items():
            if (
                not target.at("group").text()
                and target.at("kind").text() == "Service"
                and target.at("sectionName").absent
            ):
                found[object_namespace(policy, graph), target.at("name").text()].append(policy)
    return found
