"""The listeners of gateways as entry points, with the routes that lead on from them and the protections of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from policy_pack.facts.exposure.access_log import access_log
from policy_pack.facts.exposure.certificates import authority_of, client_authority, untrusted
from policy_pack.facts.exposure.effective_policies import Effective, Scope, effective
from policy_pack.facts.exposure.entry_points import PLACE, EntryPoint
from policy_pack.facts.exposure.envoy_service import Proxy, proxy_of
from policy_pack.facts.exposure.gateway_objects import (
    Target,
    kind_name,
    label_of,
    object_namespace,
    routes_of,
    target_of,
)
from policy_pack.facts.exposure.protections import (
    authorization,
    client_validation,
    own_headers,
    part,
    rate_limit,
    sign_in,
    tls_settings,
    token_headers,
    token_validation,
)
from policy_pack.facts.exposure.route_backends import backends, leads_beyond
from policy_pack.facts.exposure.table import AllowedEntryPoint, Protection, exposure, in_hospital
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import TrustedIssuer
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import CLIENT_POLICY, GATEWAY, HELM_CHARTS, SECURITY_POLICY, TRAFFIC_POLICY
from policy_pack.stack.values import View

_RATE_LIMIT_SERVICE = "values.config.envoyGateway.rateLimit.backend"
_ENVOY_GATEWAY_CHART = "gateway-helm"
_FRONTEND = "spec.tls.frontend"


@dataclass(frozen=True)
class Listener:
    """A listener of a gateway, with the proxy of the gateway."""

    gateway: Resource
    view: View
    proxy: Proxy
    context: StackContext

    @property
    def name(self) -> str:
        """The name, by which policies and routes refer to it."""
        return self.view.at("name").text()

    @property
    def label(self) -> str:
        """The listener for messages."""
        where = f"{self.name}:{self.view.at('port').text()}"
        return f"{label_of(self.gateway, self.context.graph)} listener {where}"

    def routes(self) -> Iterator[Resource]:
        """Return the routes that refer to this listener."""
        for parent in routes_of(self.gateway, self.context.graph):
            if parent.section in ("", self.name) and parent.port in (None, int(self.view.at("port").value or 0)):
                yield parent.route

    def scopes(self) -> Iterator[Scope]:
        """Return what policies protect: every rule of every route, and the gateway itself where it has no route."""
        own = [
            (target_of(self.gateway, self.context.graph, self.name), {}),
            (target_of(self.gateway, self.context.graph), labels_of(self.gateway)),
        ]
        routes = list(self.routes())
        if not routes:
            yield Scope("every route", own)
        for route in routes:
            label, whole = label_of(route, self.context.graph), target_of(route, self.context.graph)
            above: list[tuple[Target, Mapping[str, str]]] = [(whole, labels_of(route)), *own]
            rules = list(route.at("spec.rules").items())
            yield Scope(label, above, rules)
            for rule in rules:
                name = rule.at("name").text()
                if name:
                    target = Target(whole.kind, whole.namespace, whole.name, name)
                    yield Scope(f"{label} rule {name}", [(target, {}), *above], [rule])


def labels_of(resource: Resource) -> Mapping[str, str]:
    """Return the labels of an object."""
    labels: Mapping[str, str] = resource.at("metadata.labels").whole() or {}
    return labels


def listeners(gateway: Resource, context: StackContext) -> Iterator[EntryPoint]:
    """Return the listeners of a gateway as entry points."""
    proxy = proxy_of(gateway, context.graph)
    for view in gateway.at("spec.listeners").items():
        listener = Listener(gateway, view, proxy, context)
        yield EntryPoint(
            "gateway-listener",
            gateway,
            listener.label,
            proxy.reach,
            proxy.why,
            object_namespace(gateway, context.graph),
            view.path,
            listener.name,
            gaps=partial(_gaps, listener),
            excess=partial(_excess, listener),
        )


def _excess(listener: Listener, row: AllowedEntryPoint) -> Iterator[str]:
    """Yield what a listener has beyond its row: settings that are not evaluated, other routes, other backends."""
    graph = listener.context.graph
    namespace = object_namespace(listener.gateway, graph)
    yield from listener.proxy.unsupported
    for path in ("spec.allowedListeners", "spec.defaultScope"):
        if not listener.gateway.at(path).absent:
            yield f"has {path}, by which objects of other namespaces extend it"
    source = listener.view.at("allowedRoutes.namespaces.from").text()
    if source not in ("", "Same"):
        yield f"admits routes of other namespaces (allowedRoutes.namespaces.from is {source})"
    for route in listener.routes():
        label = label_of(route, graph)
        if kind_name(route) not in row.routes:
            yield f"has a route of a kind that its row does not name{PLACE}{label}"
        if object_namespace(route, graph) != namespace:
            yield f"has a route of another namespace{PLACE}{label}"
        yield from (f"{text}{PLACE}{label}" for text in leads_beyond(route, row, listener.gateway, listener.context))


def _gaps(listener: Listener, protection: Protection, row: AllowedEntryPoint) -> Iterator[str]:
    match protection:
        case Protection.MUTUAL_TLS:
            yield from _terminates(listener)
            yield from _mutual_tls(listener, row)
        case Protection.TLS:
            yield from _terminates(listener)
            yield from _tls(listener, row)
        case Protection.TOKEN:
            valid = partial(token_validation, issuers=_issuers(listener, row))
            yield from _of_policies(listener, SECURITY_POLICY, valid)
            yield from _of_policies(listener, SECURITY_POLICY, partial(token_headers, table=exposure()))
        case Protection.AUTHORIZATION:
            issuers = _issuers(listener, row)
            for scope, policy in _in_effect(listener, SECURITY_POLICY):
                gaps = authorization(policy.spec, issuers, _models(scope) if issuers is not None else ())
                yield from (f"{gap}{PLACE}{scope.label}: {policy.label}" for gap in gaps)
        case Protection.SIGN_IN:
            yield from _of_policies(listener, SECURITY_POLICY, partial(sign_in, issuers=_issuers(listener, row)))
        case _:
            yield from _gaps_of_requests(listener, protection)


def _gaps_of_requests(listener: Listener, protection: Protection) -> Iterator[str]:
    """Yield what is missing of the protections that are the same in each row."""
    if protection is Protection.RATE_LIMIT:
        service = _has_rate_limit_service(listener.context)
        limited = partial(rate_limit, table=exposure(), global_service=service)
        yield from _of_policies(listener, TRAFFIC_POLICY, limited)
    elif protection is Protection.OWN_HEADERS:
        for spec, label in _client_policies(listener):
            yield from (f"{gap}{PLACE}{label}" for gap in own_headers(spec, exposure()))
    elif protection is Protection.RECORD:
        yield from access_log(listener.proxy.spec, exposure())
        traffic = part(listener.proxy.spec, "provider", "kubernetes", "envoyService", "externalTrafficPolicy")
        if traffic not in (None, "Local"):
            yield f"client addresses are those of nodes (envoyService.externalTrafficPolicy is {traffic})"


def _issuers(listener: Listener, row: AllowedEntryPoint) -> tuple[TrustedIssuer, ...] | None:
    """Return the issuers that the hospital trusts; None where the stack's configuration does not have those."""
    addresses = listener.context.addresses
    if addresses is None or addresses.tokens is None:
        return None
    hospital = row.hospital(object_namespace(listener.gateway, listener.context.graph)) or ""
    return addresses.tokens.of(hospital)


def _of_policies(listener: Listener, kind: str, gaps: Any) -> Iterator[str]:
    """Yield the gaps of every policy that can be in effect for a route of a listener."""
    for scope, policy in _in_effect(listener, kind):
        yield from (f"{gap}{PLACE}{scope.label}: {policy.label}" for gap in gaps(policy.spec))


def _in_effect(listener: Listener, kind: str) -> Iterator[tuple[Scope, Effective]]:
    for scope in listener.scopes():
        yield from ((scope, policy) for policy in effective(listener.context.graph, kind, scope))


def _models(scope: Scope) -> list[str]:
    """Return the further models that the requests of a scope ask, by name; empty for the first and for none."""
    matches = [match for rule in scope.rules for match in rule.at("matches").items()]
    return sorted({exposure().model_of(match.at("path.value").text()) for match in matches}) or [""]


def _client_policies(listener: Listener) -> Iterator[tuple[Mapping[str, Any], str]]:
    graph = listener.context.graph
    own = target_of(listener.gateway, graph)
    scope = Scope("", [(own._replace(section=listener.name), {}), (own, labels_of(listener.gateway))])
    yield from ((policy.spec, policy.label) for policy in effective(graph, CLIENT_POLICY, scope))


def _terminates(listener: Listener) -> Iterator[str]:
    protocol = listener.view.at("protocol").text()
    if protocol != "HTTPS":
        yield f"its protocol is {protocol or 'not set'} instead of HTTPS"
    if listener.view.at("tls.mode").value not in (None, "Terminate"):
        yield "it passes TLS through, so the gateway does not see the requests"


def _mutual_tls(listener: Listener, row: AllowedEntryPoint) -> Iterator[str]:
    frontend = listener.gateway.at(_FRONTEND).whole() or {}
    for spec, label in _client_policies(listener):
        if not part(spec, "tls", "clientValidation") and frontend:
            yield from _frontend(listener, frontend, row)
            continue
        yield from (f"{gap}{PLACE}{label}" for gap in client_validation(spec))
        references = part(spec, "tls", "clientValidation", "caCertificateRefs") or ()
        yield from (f"{gap}{PLACE}{label}" for gap in _other_authorities(listener, references, row))


def _frontend(listener: Listener, frontend: Mapping[str, Any], row: AllowedEntryPoint) -> Iterator[str]:
    """Yield why the validation that the Gateway itself has does not require a valid client certificate."""
    port = listener.view.at("port").value
    by_port = [entry["tls"] for entry in frontend.get("perPort") or () if entry.get("port") == port]
    validation = (by_port or [frontend.get("default") or {}])[0].get("validation") or {}
    if not validation.get("caCertificateRefs"):
        yield f"no client certificate is requested ({_FRONTEND})"
    if validation.get("mode", "AllowValidOnly") != "AllowValidOnly":
        yield f"the client certificate is optional ({_FRONTEND})"
    yield from _other_authorities(listener, validation.get("caCertificateRefs") or (), row)


def _other_authorities(listener: Listener, references: Any, row: AllowedEntryPoint) -> Iterator[str]:
    """Yield certificate authorities of clients other than the hospital's."""
    graph = listener.context.graph
    namespace = object_namespace(listener.gateway, graph)
    own = in_hospital(row.authority, row.hospital(namespace) or "")
    for reference in references:
        authority = client_authority(reference, namespace, graph)
        if not own or not authority.startswith(own):
            name = View(reference).at("name").text()
            yield f"clients of another certificate authority than {own or 'one of the table'} are accepted ({name})"


def _tls(listener: Listener, row: AllowedEntryPoint) -> Iterator[str]:
    graph = listener.context.graph
    namespace = object_namespace(listener.gateway, graph)
    own = in_hospital(row.server_authority, row.hospital(namespace) or "")
    vault = listener.context.addresses.vault if listener.context.addresses else ""
    certificates = listener.view.at("tls.certificateRefs").whole() or ()
    if not certificates:
        yield "it has no certificate (tls.certificateRefs)"
    for reference in certificates:
        yield from untrusted(reference, namespace, graph)
        if not own or not authority_of(reference, namespace, graph, vault).startswith(own):
            yield f"its certificate is of another certificate authority than {own or 'one of the table'}"
    for spec, label in _client_policies(listener):
        yield from (f"{gap}{PLACE}{label}" for gap in tls_settings(spec))


def _has_rate_limit_service(context: StackContext) -> bool:
    charts = context.graph.of(*HELM_CHARTS)
    own = [chart for chart in charts if chart.at("chart").text().rpartition("/")[2] == _ENVOY_GATEWAY_CHART]
    return any(not chart.at(_RATE_LIMIT_SERVICE).absent for chart in own)


def routed_services(context: StackContext) -> set[tuple[str, str]]:
    """Return the Services, by namespace and name, to which a gateway of the stack really routes requests."""
    found: set[tuple[str, str]] = context.graph.memo("routed services", lambda _: set(_routed(context)))
    return found


def _routed(context: StackContext) -> Iterator[tuple[str, str]]:
    for gateway in context.graph.of(GATEWAY):
        for view in gateway.at("spec.listeners").items():
            listener = Listener(gateway, view, proxy_of(gateway, context.graph), context)
            for route in listener.routes():
                if listener_admits(listener, route):
                    yield from ((one.namespace, one.name) for one in backends(route, context) if one.granted)


def listener_admits(listener: Listener, route: Resource) -> bool:
    """Return whether a listener admits a route by its namespace; a selector of namespaces is not evaluated."""
    source = listener.view.at("allowedRoutes.namespaces.from").text() or "Same"
    graph = listener.context.graph
    same = object_namespace(route, graph) == object_namespace(listener.gateway, graph)
    return source == "All" or (source == "Same" and same)
