"""Routes of gateways, compared with the workflows that are described: what a release may be used for, by whom."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from policy_pack.controls.rules import join_check
from policy_pack.facts.exposure.gateway_objects import answers_itself, named, object_namespace, policies, target_of
from policy_pack.facts.exposure.route_backends import rule_backends, workloads_behind
from policy_pack.facts.workflow_table import RouteRow, sensitivity, workflow_table
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import Findings, StackContext, guarded, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import HTTP_ROUTE, ROUTE_FILTER, SECURITY_POLICY
from policy_pack.stack.values import View

_NOT_IMPLEMENTED = 501


@join_check("ML-05", HTTP_ROUTE)
def routes_serve_described_workflows(route: Resource, context: StackContext) -> Findings:
    """Refuse requests of no described workflow, of more sensitive data than it allows, or answered by another pod."""
    for rule in route.at("spec.rules").items():
        yield from guarded(_of_rule(rule, route, context), rule.path)


def _of_rule(rule: View, route: Resource, context: StackContext) -> Findings:
    if rule.at("matches").absent:
        yield violation("answers every request, and no workflow describes them all", rule.path)
    own = _sign_in_paths(route, context.graph)
    for match in rule.at("matches").items():
        method = match.at("method").text()
        kind, path = match.at("path.type").text() or "PathPrefix", match.at("path.value").text() or "/"
        if (method, kind) == ("GET", "Exact") and path in own:
            continue
        request = f"{method or 'every method'} {path} ({kind})"
        row = workflow_table().route(method, kind, path)
        if row is None:
            yield violation(f"answers {request}, which is no request of a workflow (routes.yaml)", match.path)
            continue
        problems = (*_of_data(row), *_of_answer(row, rule, route, context))
        yield from (violation(f"answers {request}: {problem}", match.path) for problem in problems)


def _of_data(row: RouteRow) -> Iterator[str]:
    """Yield why the data of a route may not be sent: its workflow does not allow it, or the zone that answers."""
    workflow = workflow_table().workflows.get(row.workflow)
    if workflow is None:
        yield f"workflows.yaml does not describe the workflow {row.workflow}"
        return
    if sensitivity(row.data) > sensitivity(workflow.data):
        yield f"it sends {row.data} data, and the workflow {workflow.name} allows at most {workflow.data}"
    zone = zones().workload_zones.get(row.account)
    if zone is not None and sensitivity(row.data) > sensitivity(zones().passes[zone]):
        yield f"it sends {row.data} data, and at most {zones().passes[zone]} may pass through the zone {zone}"


def _of_answer(row: RouteRow, rule: View, route: Resource, context: StackContext) -> Iterator[str]:
    """Yield what answers a request in place of the workload of its route, or of the gateway for a queued workflow."""
    workflow = workflow_table().workflows.get(row.workflow)
    if workflow is not None and workflow.queued and not _is_refused(rule, route, context.graph):
        yield f"the workflow {workflow.name} is queued, and the gateway does not answer 501"
    for backend in rule_backends(rule, route, context):
        behind = workloads_behind(backend, context)
        if behind != {row.account}:
            expected = row.account or "no workload"
            yield f"{backend.label} answers, and the workflow {row.workflow} is answered by {expected}"


def _is_refused(rule: View, route: Resource, graph: Graph) -> bool:
    """Return whether the gateway itself answers a rule's requests with 501."""
    for entry in rule.at("filters").items():
        reference = entry.at("extensionRef")
        if entry.at("type").text() == "ExtensionRef" and reference.at("kind").text() == "HTTPRouteFilter":
            found = named(graph, ROUTE_FILTER, object_namespace(route, graph), reference.at("name").text())
            if found is not None and answers_itself(found):
                return bool(found.at("spec.directResponse.statusCode").value == _NOT_IMPLEMENTED)
    return False


def _sign_in_paths(route: Resource, graph: Graph) -> set[str]:
    """Return the paths that the gateway answers itself for the sign-in of people, by the route's own policy."""
    labels = route.at("metadata.labels").whole() or {}
    found: set[str] = set()
    for attached in policies(graph, SECURITY_POLICY).of(target_of(route, graph), labels):
        sign_in = View(attached.spec).at("oidc")
        if not sign_in.absent:
            found |= {urlsplit(sign_in.at("redirectURL").text()).path, sign_in.at("logoutPath").text()}
    return found - {""}
