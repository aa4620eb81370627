"""ServiceAccounts of workloads, and authentication at the EKS cluster."""

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.facts.iam.trust import service_account
from policy_pack.stack.checks import Findings, StackContext, expect, is_set, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, ROLE, SERVICE_ACCOUNT, VAULT_KUBERNETES_ROLE
from policy_pack.stack.pods import CONTAINER_OWNERS, POD_OWNERS, Pod, namespace, pods
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError

_ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_AWS_AUDIENCE = "sts.amazonaws.com"


@context_check("AC-13", *CONTAINER_OWNERS)
def workloads_have_service_accounts(resource: Resource, context: StackContext) -> Findings:
    """Require a ServiceAccount for each workload, without automounted token unless an annotation gives the reason."""
    for declared in pods(resource):
        if declared.whole:
            yield from _has_own_account(declared, context)
        else:
            for field in ("serviceAccountName", "serviceAccount"):
                account = declared.spec.at(field)
                yield from expect(account, lambda name: name != "default", "runs as the default ServiceAccount")


def _has_own_account(declared: Pod, context: StackContext) -> Findings:
    named, older_field = declared.spec.at("serviceAccountName"), declared.spec.at("serviceAccount")
    yield from expect(named, lambda name: is_set(name) and name != "default", "runs as the default ServiceAccount")
    yield from expect(older_field, lambda name: name in (None, named.raw), "names two ServiceAccounts")
    if declared.annotations.key(f"{context.settings.prefix}/api-token").absent:
        token = declared.spec.at("automountServiceAccountToken")
        yield from expect(token, lambda value: value is False, "automounts a token for the Kubernetes API")


@join_check("AC-13", *CONTAINER_OWNERS)
def projected_tokens_are_for_their_server(resource: Resource, context: StackContext) -> Findings:
    """Refuse projected tokens for the Kubernetes API, except of workloads that log in to Vault with them."""
    logins: dict[tuple[str, str], set[str]] = context.graph.memo("accounts of Vault roles", _vault_audiences)
    for declared in pods(resource):
        tokens = [
            source.at("serviceAccountToken")
            for volume in declared.spec.at("volumes").items()
            for source in volume.at("projected.sources").items()
        ]
        for token in tokens:
            audience = token.at("audience")
            if (token.known and token.raw is None) or audience.value == _AWS_AUDIENCE:
                continue
            account = (namespace(resource).text(), declared.spec.at("serviceAccountName").text())
            # Without an audience the token is for the API server, which is how Vault's role may have it.
            if account not in logins or audience.text() not in {"", *logins[account]}:
                what = f"audience {audience.text()}" if audience.text() else "the Kubernetes API"
                yield violation(
                    f"has a projected token for {what}, and no Vault role of its ServiceAccount", token.path
                )


def _vault_audiences(graph: Graph) -> dict[tuple[str, str], set[str]]:
    """Return the audiences of Vault roles by namespace and ServiceAccount that they bind."""
    audiences: dict[tuple[str, str], set[str]] = {}
    for role in graph.of(VAULT_KUBERNETES_ROLE):
        for namespace_name in role.at("boundServiceAccountNamespaces").items():
            for name in role.at("boundServiceAccountNames").items():
                account = (namespace_name.text(), name.text())
                audiences.setdefault(account, set()).add(role.at("audience").text())
    return audiences


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
        for workload_pod in pods(resource):
            try:
                key = (namespace(resource).text(), workload_pod.spec.at("serviceAccountName").text())
                name = workload_pod.labels.key("app.kubernetes.io/name").text() or resource.name
            except NotKnownError:
                continue
            users.setdefault(key, set()).add(name)
    return users


@join_check("AC-13", SERVICE_ACCOUNT)
def service_accounts_have_their_own_role(account: Resource, context: StackContext) -> Findings:
    """Refuse the annotation of an AWS role that is not of this stack, or that does not trust this ServiceAccount."""
    annotation = account.at("metadata.annotations").key(_ROLE_ANNOTATION)
    if annotation.absent:
        return
    roles = [role for role in context.graph.of(ROLE) if known_text(role.at("arn")) == annotation.text()]
    key = (namespace(account).text(), account.at("metadata.name").text())
    if not any(service_account(role.at("assumeRolePolicy")) == key for role in roles):
        yield violation("names an AWS role that does not trust this ServiceAccount", annotation.path)


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
