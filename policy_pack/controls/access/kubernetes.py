"""ServiceAccounts of workloads, and authentication at the EKS cluster."""

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.stack.checks import Findings, StackContext, expect, is_set, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, SERVICE_ACCOUNT
from policy_pack.stack.pods import POD_OWNERS, namespace, pod
from policy_pack.stack.values import NotKnownError


@context_check("AC-13", *POD_OWNERS)
def workloads_have_service_accounts(resource: Resource, context: StackContext) -> Findings:
    """Require a ServiceAccount for each workload, without automounted token unless an annotation gives the reason."""
    declared = pod(resource)
    named = declared.spec.at("serviceAccountName")
    yield from expect(named, lambda name: is_set(name) and name != "default", "runs as the default ServiceAccount")
    if declared.annotations.key(f"{context.settings.prefix}/api-token").absent:
        token = declared.spec.at("automountServiceAccountToken")
        yield from expect(token, lambda value: value is False, "automounts a token for the Kubernetes API")


@context_check("AC-13", SERVICE_ACCOUNT)
def service_accounts_mount_no_token(account: Resource, context: StackContext) -> Findings:
    """Require automountServiceAccountToken false, unless the annotation api-token gives the reason."""
    if context.annotation(account, "api-token").absent:
        yield from expect(
            account.at("automountServiceAccountToken"),
            lambda value: value is False,
            "automounts a token for the Kubernetes API without the annotation api-token",
        )


@join_check("AC-13", SERVICE_ACCOUNT)
def service_accounts_have_one_workload(account: Resource, context: StackContext) -> Findings:
    """Refuse a ServiceAccount that several workloads share."""
    users: dict[tuple[str, str], set[str]] = context.graph.memo("account users", _users)
    key = (namespace(account).text(), account.at("metadata.name").text())
    names = users.get(key, set())
    if len(names) > 1:
        yield violation(f"is shared by the workloads {', '.join(sorted(names))}")


def _users(graph: Graph) -> dict[tuple[str, str], set[str]]:
    users: dict[tuple[str, str], set[str]] = {}
    for resource in graph.of(*POD_OWNERS):
        workload_pod = pod(resource)
        try:
            key = (namespace(resource).text(), workload_pod.spec.at("serviceAccountName").text())
            name = workload_pod.labels.key("app.kubernetes.io/name").text() or resource.name
        except NotKnownError:
            continue
        users.setdefault(key, set()).add(name)
    return users


# --- administration of the cluster -------------------------------------------------------------
@resource_check("AC-14", EKS)
def clusters_use_access_entries(cluster: Resource) -> Findings:
    """Require access entries, and no administrator permissions for the creator of the cluster."""
    yield from expect(
        cluster.at("accessConfig.authenticationMode"),
        lambda mode: mode == "API",
        "authenticates by the aws-auth ConfigMap",
    )
    yield from expect(
        cluster.at("accessConfig.bootstrapClusterCreatorAdminPermissions"),
        lambda value: value is False,
        "grants administrator permissions to the creator of the cluster",
    )
