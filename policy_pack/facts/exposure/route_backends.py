"""Backends of routes: the Services of their rules and mirrors, and the workloads behind them."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.exposure.gateway_objects import GROUP, answers_itself, kind_name, named, object_namespace
from policy_pack.facts.exposure.table import AllowedEntryPoint, Destination, in_hospital
from policy_pack.facts.network.policies import policy_namespace
from policy_pack.facts.network.selectors import matches_labels
from policy_pack.facts.network.topology import topology
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE, REFERENCE_GRANT, ROUTE_FILTER, SERVICE
from policy_pack.stack.pods import pod
from policy_pack.stack.values import NotKnownError, View

WORKLOAD_LABEL = "app.kubernetes.io/name"
# The Service that KServe makes for the pods of an InferenceService.
_PREDICTOR = "-predictor"
_EVALUATED_FILTERS = (
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "CORS",
)


@dataclass(frozen=True)
class Backend:
    """A backend of a route; ``granted`` is whether its namespace lets the route refer to it."""

    kind: str
    namespace: str
    name: str
    granted: bool

    @property
    def label(self) -> str:
        """The backend for messages."""
        return f"{self.kind} {self.namespace}/{self.name}"


def backends(route: Resource, context: StackContext) -> Iterator[Backend]:
    """Return the backends of a route, mirrors of requests included."""
    for rule in route.at("spec.rules").items():
        yield from rule_backends(rule, route, context)


def rule_backends(rule: View, route: Resource, context: StackContext) -> Iterator[Backend]:
    """Return the backends of a rule of a route, mirrors of requests included."""
    own = object_namespace(route, context.graph)
    for reference in _references(rule):
        kind = reference.at("kind").text() or "Service"
        group = reference.at("group").text()
        namespace, name = reference.at("namespace").text() or own, reference.at("name").text()
        granted = namespace == own or _is_granted(route, own, namespace, name, context.graph)
        yield Backend(f"{group}/{kind}" if group else kind, namespace, name, granted)


def _references(rule: View) -> Iterator[View]:
    for reference in rule.at("backendRefs").items():
        yield reference
        for entry in reference.at("filters").items():
            yield from _mirrors(entry)
    for entry in rule.at("filters").items():
        yield from _mirrors(entry)


def _mirrors(entry: View) -> Iterator[View]:
    if entry.at("type").text() == "RequestMirror":
        yield entry.at("requestMirror.backendRef")


def leads_beyond(route: Resource, row: AllowedEntryPoint, gateway: Resource, context: StackContext) -> Iterator[str]:
    """Yield where a route leads beyond the workload of its row, and filters that are not evaluated."""
    hospital = row.hospital(object_namespace(gateway, context.graph)) or ""
    own = object_namespace(route, context.graph)
    for rule in route.at("spec.rules").items():
        for backend in rule_backends(rule, route, context):
            yield from _beyond(backend, rule, row, hospital, context)
        for entry in (*rule.at("filters").items(), *_backend_filters(rule)):
            kind = entry.at("type").text()
            if kind not in _EVALUATED_FILTERS and not _is_answer(entry, own, context.graph):
                yield f"has the filter {kind}, which is not evaluated"


def _beyond(
    backend: Backend, rule: View, row: AllowedEntryPoint, hospital: str, context: StackContext
) -> Iterator[str]:
    """Yield why a backend of a rule is not a destination of the row, and the paths that are not the destination's."""
    allowed = [one for one in row.leads_to if in_hospital(one.namespace, hospital) == backend.namespace]
    if not allowed or backend.kind != "Service":
        places = [f"{one.workload} in {in_hospital(one.namespace, hospital)}" for one in row.leads_to]
        yield f"leads to {backend.label} instead of {' or '.join(places) or 'nothing'}"
        return
    behind = workloads_behind(backend, context)
    destination = next((one for one in allowed if {one.workload} == behind), None)
    if destination is None:
        yield f"leads to {backend.label}, which is not only {' or '.join(one.workload for one in allowed)}"
    else:
        yield from _other_paths(rule, destination)


def _is_answer(entry: View, namespace: str, graph: Graph) -> bool:
    """Return whether a filter only makes the gateway answer by itself."""
    reference = entry.at("extensionRef")
    if entry.at("type").text() != "ExtensionRef" or reference.at("kind").text() != "HTTPRouteFilter":
        return False
    found = named(graph, ROUTE_FILTER, namespace, reference.at("name").text())
    return found is not None and answers_itself(found)


def _other_paths(rule: View, destination: Destination) -> Iterator[str]:
    """Yield the paths of a rule that are not those of its destination."""
    if rule.at("matches").absent:
        yield "leads every path to its backend"
    for match in rule.at("matches").items():
        kind, value = match.at("path.type").text() or "PathPrefix", match.at("path.value").text() or "/"
        if not destination.has(kind, value):
            yield f"leads the path {value} ({kind}) to its backend"


def _backend_filters(rule: View) -> Iterator[View]:
    for reference in rule.at("backendRefs").items():
        yield from reference.at("filters").items()


def workloads_behind(backend: Backend, context: StackContext) -> set[str]:
    """Return the workloads whose pods a Service selects, by their label; empty where the stack does not show it."""
    graph = context.graph
    service = named(graph, SERVICE, backend.namespace, backend.name)
    if service is None:
        model = named(graph, INFERENCE_SERVICE, backend.namespace, backend.name.removesuffix(_PREDICTOR))
        return {pod(model).labels.key(WORKLOAD_LABEL).text()} if model else set()
    selector = service.at("spec.selector").whole() or {}
    groups = topology(context, zones()).by_namespace.get(backend.namespace, ())
    return {group.workload for group in groups if selector and matches_labels(selector, group.labels)}


def _is_granted(route: Resource, own: str, namespace: str, name: str, graph: Graph) -> bool:
    grants: dict[str, list[Resource]] = graph.memo("grants by namespace", _grants)
    if "" in grants:
        raise NotKnownError("metadata.namespace")
    return any(_grants_to(grant, kind_name(route), own, name) for grant in grants.get(namespace, ()))


def _grants(graph: Graph) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for grant in graph.of(REFERENCE_GRANT):
        found.setdefault(policy_namespace(grant, graph) or "", []).append(grant)
    return found


def _grants_to(grant: Resource, kind: str, namespace: str, name: str) -> bool:
    allowed = any(
        source.at("group").text() == GROUP
        and source.at("kind").text() == kind
        and source.at("namespace").text() == namespace
        for source in grant.at("spec.from").items()
    )
    return allowed and any(
        target.at("group").text() == ""
        and target.at("kind").text() == "Service"
        and target.at("name").value in (None, "", name)
        for target in grant.at("spec.to").items()
    )
