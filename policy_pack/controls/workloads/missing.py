"""Workloads and Secrets that others wait for and the stack does not have: without them less runs, and nothing fails."""

from policy_pack.controls.rules import join_check
from policy_pack.facts.admission_table import admission_table
from policy_pack.facts.network.selectors import matches
from policy_pack.facts.structure import namespace_name, zone_of_namespace
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DISRUPTION_BUDGET, SECRET, SECURITY_POLICY, SERVICE_ACCOUNT
from policy_pack.stack.pods import POD_OWNERS, Pod, namespace, pods
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError

# Accounts that have pods in a hospital with a release only: all of them, or none.
_OF_RELEASES = ("model-server", "batch-scorer")
_NAME = "app.kubernetes.io/name"


@join_check("AC-13", SERVICE_ACCOUNT)
def accounts_have_pods(account: Resource, context: StackContext) -> Findings:
    """Require pods of each ServiceAccount of a zone, except of people: they have roles, and nothing does their work."""
    place = namespace_name(account)
    zone, name = zone_of_namespace(place), account.at("metadata.name").text()
    if not zone or name in admission_table().accounts_of_people[zone]:
        return
    if name in _OF_RELEASES and not _has_release(place, context):
        return
    if not any(declared.spec.at("serviceAccountName").value == name for declared in _pods_in(place, context)):
        yield violation("has no pods; declare its workload, or remove the account with its roles", "metadata.name")


@join_check("BCP-04", DISRUPTION_BUDGET)
def budgets_have_pods(budget: Resource, context: StackContext) -> Findings:
    """Require pods of each PodDisruptionBudget of a zone: somebody waits for their server."""
    place = namespace_name(budget)
    selector = budget.at("spec.selector").whole() or {}
    if not zone_of_namespace(place) or not selector:
        return
    if (selector.get("matchLabels") or {}).get(_NAME) in _OF_RELEASES and not _has_release(place, context):
        return
    if not any(matches(selector, declared.labels.whole() or {}) for declared in _pods_in(place, context)):
        yield violation("selects no pods of the stack; declare its server, or remove the budget", "spec.selector")


@join_check("SEG-12", SECURITY_POLICY)
def sign_in_has_its_secret(policy: Resource, context: StackContext) -> Findings:
    """Require the Secret by which a gateway proves who it is at the identity provider: nobody signs in without it."""
    name = policy.at("spec.oidc.clientSecret.name").text()
    place = known_text(policy.at("metadata.namespace"))
    secrets = context.graph.where("metadata.namespace", place, SECRET) if name and place else []
    if name and place and all(secret.at("metadata.name").value != name for secret in secrets):
        yield violation(f"signs people in with the Secret {name}, which its namespace does not have", "spec.oidc")


def _has_release(place: str, context: StackContext) -> bool:
    return any(one.spec.at("serviceAccountName").value in _OF_RELEASES for one in _pods_in(place, context))


def _pods_in(place: str, context: StackContext) -> list[Pod]:
    """Return the pods of a namespace; those of a namespace that is not known yet may be among them."""
    by_place: dict[str, list[Pod]] = context.graph.memo("pods by namespace", _by_namespace)
    if "" in by_place:
        raise NotKnownError("metadata.namespace")
    return by_place.get(place, [])


def _by_namespace(graph: Graph) -> dict[str, list[Pod]]:
    found: dict[str, list[Pod]] = {}
    for owner in graph.of(*POD_OWNERS):
        place = namespace(owner)
        if place.known:
            found.setdefault(place.text() or "default", []).extend(pods(owner))
        else:
            found.setdefault("", []).extend(pods(owner))
    return found
