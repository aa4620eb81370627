"""Kubernetes RBAC and ServiceAccounts, and access to the EKS cluster."""

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.stack.checks import Findings, StackContext, expect, guarded, is_set, not_yet_known, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import CONFIG_MAP, EKS, ROLE, ROLE_KEYS, SERVICE_ACCOUNT
from policy_pack.stack.pods import POD_OWNERS, namespace, pod
from policy_pack.stack.values import NotKnownError, View

_ROLES = ("k8s:rbac.authorization.k8s.io/Role", "k8s:rbac.authorization.k8s.io/ClusterRole")
_BINDING, _CLUSTER_BINDING = (
    "k8s:rbac.authorization.k8s.io/RoleBinding",
    "k8s:rbac.authorization.k8s.io/ClusterRoleBinding",
)
_ESCALATING = {"bind", "escalate", "impersonate"}
_DENIED_RESOURCES = {
    "pods/exec": None,
    "pods/attach": None,
    "nodes/proxy": None,
    "serviceaccounts/token": {"create"},
    "services/status": {"update", "patch"},
    "certificatesigningrequests/approval": {"update", "patch"},
    "validatingwebhookconfigurations": {"create", "update", "patch", "delete"},
    "mutatingwebhookconfigurations": {"create", "update", "patch", "delete"},
}
_ALL_USERS = ("system:anonymous", "system:unauthenticated", "system:authenticated")
_ADMIN_POLICIES = ("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy")


@resource_check("AC-10", *_ROLES)
def roles_have_no_wildcards(role: Resource) -> Findings:
    """Refuse wildcards, cluster-wide access to Secrets, and verbs that allow privilege escalation."""
    cluster_wide = role.kind.endswith("ClusterRole")
    for rule in role.at("rules").items():
        yield from guarded(_rule(rule, cluster_wide), rule.path)


def _rule(rule: View, cluster_wide: bool) -> Findings:
    verbs = set(_texts(rule.at("verbs")))
    resources = set(_texts(rule.at("resources")))
    for name in ("verbs", "resources", "apiGroups"):
        if "*" in _texts(rule.at(name)):
            yield violation(f"has a wildcard in {name}", f"{rule.path}.{name}")
    for verb in sorted(verbs & _ESCALATING):
        yield violation(f"allows {verb}", rule.path)
    if cluster_wide and "secrets" in resources and verbs & {"get", "list", "watch", "*"}:
        yield violation("allows reading the Secrets of every namespace", rule.path)
    for resource in sorted(resources & _DENIED_RESOURCES.keys()):
        only = _DENIED_RESOURCES[resource]
        if only is None or verbs & (only | {"*"}):
            yield violation(f"allows {resource}", rule.path)


def _texts(view: View) -> list[str]:
    return [item.text() for item in view.items()]


@resource_check("AC-11", _BINDING, _CLUSTER_BINDING)
def bindings_name_their_subjects(binding: Resource) -> Findings:
    """Refuse bindings to cluster-admin, to groups of all users, and to subjects of another namespace."""
    yield from expect(binding.at("roleRef.name"), lambda name: name != "cluster-admin", "binds cluster-admin")
    for subject in binding.at("subjects").items():
        yield from expect(subject.at("name"), lambda name: name not in _ALL_USERS, "binds a group of all users")
        if binding.kind == _BINDING:
            yield from guarded(_same_namespace(binding, subject), subject.path)


def _same_namespace(binding: Resource, subject: View) -> Findings:
    namespace_name, other = namespace(binding).text(), subject.at("namespace").text()
    if subject.at("kind").text() == "ServiceAccount" and other != namespace_name:
        yield violation(
            f"binds a ServiceAccount of namespace {other} in namespace {namespace_name}", f"{subject.path}.namespace"
        )


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


@resource_check("AC-13", _BINDING, _CLUSTER_BINDING)
def default_service_accounts_have_no_roles(binding: Resource) -> Findings:
    """Refuse bindings to the default ServiceAccount."""
    for subject in binding.at("subjects").items():
        if subject.at("kind").text() == "ServiceAccount":
            yield from expect(subject.at("name"), lambda name: name != "default", "binds the default ServiceAccount")


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


@resource_check("AC-14", CONFIG_MAP)
def aws_auth_grants_no_masters(config: Resource) -> Findings:
    """Refuse system:masters in the aws-auth ConfigMap."""
    if config.at("metadata.name").text() == "aws-auth":
        for name, view in config.at("data").fields():
            yield from expect(view, lambda text: "system:masters" not in str(text), f"{name} grants system:masters")


@join_check("AC-14", "aws:eks/accessEntry:AccessEntry")
def access_entries_grant_no_masters(entry: Resource, context: StackContext) -> Findings:
    """Refuse the group system:masters, except for the break-glass role."""
    groups = _texts(entry.at("kubernetesGroups"))
    if "system:masters" in groups:
        yield from _only_break_glass(entry, context, "is in the group system:masters")


@join_check("AC-14", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
def administration_is_break_glass(association: Resource, context: StackContext) -> Findings:
    """Refuse cluster administration, except by the break-glass role."""
    policy = association.at("policyArn").text().rpartition("/")[2]
    if policy in _ADMIN_POLICIES and association.at("accessScope.type").text() == "cluster":
        yield from _only_break_glass(association, context, f"has {policy} for the whole cluster")


def _only_break_glass(resource: Resource, context: StackContext, grant: str) -> Findings:
    role = context.graph.target(resource, "principalArn", (ROLE,), ROLE_KEYS)
    if role is None:
        value = resource.at("principalArn")
        yield (
            violation(f"{grant}, and is not a role of this stack", value.path)
            if value.known
            else not_yet_known(value.path)
        )
    elif context.label(role, "break-glass") != "true":
        yield violation(f"{role.name} {grant}, and is not the break-glass role")
