"""Objects of the Gateway API and of Envoy Gateway that the route table means for one hospital, as plain values."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.settings import Gateway, Hospital, names
from workloads.blocks.deployment import SERVICE_PORT
from workloads.platform.gateway_class import API, APPLICATION_HEADER, CLASS, ENVOY_API
from workloads.platform.gateway_records import Recorder
from workloads.serving.gateway_security import REDIRECT, SIGN_OUT, clients, security
from workloads.serving.routes import Proof, Route
from workloads.zones import workload_table
from workloads.zones.workload_table import GATEWAY, RECORDER, Workload

NAME = "gateway"
TLS_SECRET = "gateway-tls"
REVOCATION_LIST = "gateway-revoked"
AUTHORITY = "service-authority"
CLIENT_AUTHORITY = "client-authority"
MACHINES, BROWSERS = "machines", "browsers"
HTTPS_PORT = 443
_GROUP, _ENVOY_GROUP = "gateway.networking.k8s.io", "gateway.envoyproxy.io"
_QUEUED = "queued"
_NOT_IMPLEMENTED = {
    "type": "about:blank",
    "title": "This workflow is queued, and no broker serves it yet",
    "status": 501,
}
# Set by the gateway only; those of a client are removed before any filter reads them.
_OWN_HEADERS = [APPLICATION_HEADER, "x-forwarded-client-cert", "x-envoy-original-path"]
# Largest payload of the table twice: a connection buffers one request.
_CONNECTION_BUFFER = "2Mi"
# A certificate is verified when a connection begins: with a revoked one, a client goes on for so long at most.
_LONGEST_CONNECTION = "5m"

Spec = dict[str, object]


@dataclass(frozen=True)
class GatewayObject:
    """An object of the gateway: kind, API version, name, zone of its namespace, and spec."""

    kind: str
    api: str
    name: str
    zone: str
    spec: Spec


@dataclass(frozen=True)
class HospitalRoutes:
    """The routes of a hospital, and what their objects are made of.

    Parameters
    ----------
    gateway, hospital
        The stack's settings of gateways, and the hospital's entry.
    zone
        Zone of the gateway.
    routes
        Routes by name, from the route table.
    workloads
        Workloads by name.
    """

    gateway: Gateway
    hospital: Hospital
    zone: str
    routes: Mapping[str, Route]
    workloads: Mapping[str, Workload]

    @property
    def usable(self) -> dict[str, Route]:
        """The routes that some application of the hospital can use."""
        return {name: route for name, route in self.routes.items() if self._is_used(route)}

    def _is_used(self, route: Route) -> bool:
        match route.proof:
            case Proof.EHR_JWT:
                return self.hospital.ehr is not None
            case Proof.OAUTH:
                return bool(clients(self.hospital, route))
            case Proof.SIGN_IN:
                return self.hospital.sign_in is not None

    @property
    def has_browsers(self) -> bool:
        """Whether people use a route."""
        return any(route.proof is Proof.SIGN_IN for route in self.usable.values())

    @property
    def hosts(self) -> list[str]:
        """The host names of the gateway's certificate."""
        own = self.hospital.name
        return [self.gateway.machine_host(own), *([self.gateway.browser_host(own)] if self.has_browsers else [])]

    @property
    def backends(self) -> dict[str, Workload]:
        """The workloads that answer routes."""
        used = {route.workload for route in self.usable.values()}
        return {name: workload for name, workload in self.workloads.items() if name in used}

    @property
    def recorder(self) -> Recorder | None:
        """The Service that puts refusals on record; None where the table has no such workload."""
        workload = self.workloads.get(RECORDER)
        return Recorder(workload.service_account, SERVICE_PORT) if workload else None

    def host(self, route: Route) -> str:
        """Return the host name of a route."""
        own = self.hospital.name
        return self.gateway.browser_host(own) if route.proof is Proof.SIGN_IN else self.gateway.machine_host(own)


def gateway_objects(routes: HospitalRoutes) -> list[GatewayObject]:
    """Return the objects of a hospital's gateway but its EnvoyProxy, in the order of their creation."""
    objects = [
        _object(routes, "Gateway", API, NAME, _gateway(routes)),
        *_gateway_policies(routes),
    ]
    if any(route.queued for route in routes.usable.values()):
        objects.append(_object(routes, "HTTPRouteFilter", ENVOY_API, _QUEUED, _not_implemented()))
    if RECORDER in routes.workloads:
        objects.append(_tls_policy(routes, RECORDER, routes.workloads[RECORDER]))
    for name, workload in routes.backends.items():
        objects += _backend_objects(routes, name, workload)
    for name, route in routes.usable.items():
        objects += _route_objects(routes, name, route)
    return objects


def _object(routes: HospitalRoutes, kind: str, api: str, name: str, spec: Spec) -> GatewayObject:
    return GatewayObject(kind, api, name, routes.zone, spec)


def _gateway(routes: HospitalRoutes) -> Spec:
    listeners = [
        {
            "name": name,
            "hostname": host,
            "port": HTTPS_PORT,
            "protocol": "HTTPS",
            "tls": {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": TLS_SECRET}]},
            "allowedRoutes": {"namespaces": {"from": "Same"}, "kinds": [{"group": _GROUP, "kind": "HTTPRoute"}]},
        }
        for name, host in zip((MACHINES, BROWSERS), routes.hosts, strict=False)
    ]
    proxy = {"group": _ENVOY_GROUP, "kind": "EnvoyProxy", "name": NAME}
    return {"gatewayClassName": CLASS, "infrastructure": {"parametersRef": proxy}, "listeners": listeners}


def _target(kind: str, name: str, section: str | None = None) -> Spec:
    reference = {"group": _GROUP, "kind": kind, "name": name}
    return {"targetRefs": [reference | ({"sectionName": section} if section else {})]}


def _gateway_policies(routes: HospitalRoutes) -> Iterator[GatewayObject]:
    """Yield the policies of the listeners, and the one that denies what no route's own policy allows."""
    client: Spec = {
        "headers": {"earlyRequestHeaders": {"remove": _OWN_HEADERS}, "requestID": "Generate"},
        "path": {"escapedSlashesAction": "RejectRequest"},
        "connection": {
            "bufferLimit": _CONNECTION_BUFFER,
            "connectionLimit": {"maxConnectionDuration": _LONGEST_CONNECTION},
        },
        "timeout": {
            "http": {"requestReceivedTimeout": "30s", "requestHeadersReceivedTimeout": "5s", "idleTimeout": "60s"}
        },
    }
    validation = {
        "optional": False,
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": CLIENT_AUTHORITY}],
        "crl": {
            "refs": [{"group": "", "kind": "ConfigMap", "name": REVOCATION_LIST}],
            "onlyVerifyLeafCertificate": True,
        },
    }
    machines = {
        **_target("Gateway", NAME, MACHINES),
        **client,
        "tls": {"minVersion": "1.2", "clientValidation": validation},
    }
    yield _object(routes, "ClientTrafficPolicy", ENVOY_API, MACHINES, machines)
    if routes.has_browsers:
        browsers = {**_target("Gateway", NAME, BROWSERS), **client, "tls": {"minVersion": "1.2"}}
        yield _object(routes, "ClientTrafficPolicy", ENVOY_API, BROWSERS, browsers)
    deny = {**_target("Gateway", NAME), "authorization": {"defaultAction": "Deny"}}
    yield _object(routes, "SecurityPolicy", ENVOY_API, NAME, deny)


def _not_implemented() -> Spec:
    body = {"type": "Inline", "inline": json.dumps(_NOT_IMPLEMENTED)}
    return {"directResponse": {"statusCode": 501, "contentType": "application/problem+json", "body": body}}


def _backend_objects(routes: HospitalRoutes, name: str, workload: Workload) -> Iterator[GatewayObject]:
    """Yield what lets the gateway route to a workload of another zone, and how it verifies the workload."""
    hospital, service = routes.hospital.name, workload.service_account
    source = {"group": _GROUP, "kind": "HTTPRoute", "namespace": names.namespace(hospital, routes.zone)}
    grant: Spec = {"from": [source], "to": [{"group": "", "kind": "Service", "name": service}]}
    yield GatewayObject("ReferenceGrant", f"{_GROUP}/v1beta1", f"{NAME}-{name}", workload.zone, grant)
    yield _tls_policy(routes, name, workload)


def _tls_policy(routes: HospitalRoutes, name: str, workload: Workload) -> GatewayObject:
    """Return how the gateway verifies a workload: by its SPIFFE identity."""
    hospital, service = routes.hospital.name, workload.service_account
    validation = {
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": AUTHORITY}],
        "hostname": f"{service}.{names.namespace(hospital, workload.zone)}.svc",
        "subjectAltNames": [{"type": "URI", "uri": names.spiffe_uri(hospital, service)}],
    }
    tls: Spec = {"targetRefs": [{"group": "", "kind": "Service", "name": service}], "validation": validation}
    return GatewayObject("BackendTLSPolicy", API, f"{NAME}-{name}", workload.zone, tls)


def _route_objects(routes: HospitalRoutes, name: str, route: Route) -> Iterator[GatewayObject]:
    yield _object(
        routes,
        "SecurityPolicy",
        ENVOY_API,
        name,
        {**_target("HTTPRoute", name), **security(routes.gateway, routes.hospital, route)},
    )
    limit = {"requests": route.rate.burst, "unit": route.rate.per}
    traffic: Spec = {
        **_target("HTTPRoute", name),
        "rateLimit": {"type": "Local", "local": {"rules": [{"limit": limit}]}},
        "timeout": {"http": {"requestTimeout": f"{route.timeout}s"}},
        "requestBuffer": {"limit": route.payload},
    }
    if route.at_once is not None:
        traffic["circuitBreaker"] = {"maxParallelRequests": route.at_once}
    yield _object(routes, "BackendTrafficPolicy", ENVOY_API, name, traffic)
    yield _object(routes, "HTTPRoute", API, name, _http_route(routes, route))


def _http_route(routes: HospitalRoutes, route: Route) -> Spec:
    matches = [{"method": method, "path": _path(path)} for method, paths in route.paths.items() for path in paths]
    if route.proof is Proof.SIGN_IN:
        matches += [{"method": "GET", "path": _path(path)} for path in (REDIRECT, SIGN_OUT)]
    rule: Spec = {"matches": matches}
    if route.workload is None:
        reference = {"group": _ENVOY_GROUP, "kind": "HTTPRouteFilter", "name": _QUEUED}
        rule["filters"] = [{"type": "ExtensionRef", "extensionRef": reference}]
    else:
        workload = routes.workloads[route.workload]
        namespace = names.namespace(routes.hospital.name, workload.zone)
        rule["backendRefs"] = [{"name": workload.service_account, "namespace": namespace, "port": SERVICE_PORT}]
    section = BROWSERS if route.proof is Proof.SIGN_IN else MACHINES
    return {
        "parentRefs": [{"name": NAME, "sectionName": section}],
        "hostnames": [routes.host(route)],
        "rules": [rule],
    }


def _path(path: str) -> Spec:
    if path.endswith("/"):
        return {"type": "PathPrefix", "value": path.removesuffix("/")}
    return {"type": "Exact", "value": path}


def hospital_routes(
    gateway: Gateway, hospital: Hospital, served: Mapping[str, Route], workloads: Mapping[str, Workload]
) -> HospitalRoutes:
    """Return the routes of a hospital's gateway."""
    return HospitalRoutes(gateway, hospital, workload_table.row(GATEWAY).zone, served, workloads)
