"""Access in Kubernetes: roles, bindings and the accounts of workloads."""

from policy_pack.controls.rules import on, on_join, on_set
from policy_pack.stack.checks import About, Findings, expect, fault, given, guarded, later
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ACCOUNT, CONFIG_MAP, EKS, ROLE, ROLE_KEYS
from policy_pack.stack.pods import WHOLE, namespace, pod
from policy_pack.stack.values import NotKnownError, View

_ROLES = ("k8s:rbac.authorization.k8s.io/Role", "k8s:rbac.authorization.k8s.io/ClusterRole")
_BINDING, _CLUSTER_BINDING = (
    "k8s:rbac.authorization.k8s.io/RoleBinding",
    "k8s:rbac.authorization.k8s.io/ClusterRoleBinding",
)
_ESCALATES = {"bind", "escalate", "impersonate"}
_DENIED = {
    "pods/exec": None,
    "pods/attach": None,
    "nodes/proxy": None,
    "serviceaccounts/token": {"create"},
    "services/status": {"update", "patch"},
    "certificatesigningrequests/approval": {"update", "patch"},
    "validatingwebhookconfigurations": {"create", "update", "patch", "delete"},
    "mutatingwebhookconfigurations": {"create", "update", "patch", "delete"},
}
_EVERYBODY = ("system:anonymous", "system:unauthenticated", "system:authenticated")
_ADMIN_POLICIES = ("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy")


@on("AC-10", *_ROLES)
def roles_name_what_they_allow(role: Resource) -> Findings:
    """Refuse stars, secrets cluster-wide, and rights that lead to more rights."""
    wide = role.kind.endswith("ClusterRole")
    for rule in role.at("rules").items():
        yield from guarded(_rule(rule, wide), rule.path)


def _rule(rule: View, wide: bool) -> Findings:
    verbs = set(_texts(rule.at("verbs")))
    resources = set(_texts(rule.at("resources")))
    for name in ("verbs", "resources", "apiGroups"):
        if "*" in _texts(rule.at(name)):
            yield fault(f"allows every one of {name}", f"{rule.path}.{name}")
    for verb in sorted(verbs & _ESCALATES):
        yield fault(f"allows {verb}", rule.path)
    if wide and "secrets" in resources and verbs & {"get", "list", "watch", "*"}:
        yield fault("reads the secrets of every namespace", rule.path)
    for resource in sorted(resources & _DENIED.keys()):
        only = _DENIED[resource]
        if only is None or verbs & (only | {"*"}):
            yield fault(f"allows {resource}", rule.path)


def _texts(view: View) -> list[str]:
    return [item.text() for item in view.items()]


@on("AC-11", _BINDING, _CLUSTER_BINDING)
def bindings_name_their_subjects(binding: Resource) -> Findings:
    """Refuse cluster-admin, groups of everybody, and subjects of another namespace."""
    yield from expect(binding.at("roleRef.name"), lambda name: name != "cluster-admin", "binds cluster-admin")
    for subject in binding.at("subjects").items():
        yield from expect(subject.at("name"), lambda name: name not in _EVERYBODY, "binds everybody")
        if binding.kind == _BINDING:
            yield from guarded(_same_namespace(binding, subject), subject.path)


def _same_namespace(binding: Resource, subject: View) -> Findings:
    home, other = namespace(binding).text(), subject.at("namespace").text()
    if subject.at("kind").text() == "ServiceAccount" and other != home:
        yield fault(f"binds an account of namespace {other} in {home}", f"{subject.path}.namespace")


@on_set("AC-13", *WHOLE)
def workloads_have_accounts(resource: Resource, about: About) -> Findings:
    """Ask for a ServiceAccount of the workload's own, without the automatic token unless it says why."""
    found = pod(resource)
    named = found.spec.at("serviceAccountName")
    yield from expect(named, lambda name: given(name) and name != "default", "runs as the default ServiceAccount")
    if found.annotations.key(f"{about.settings.prefix}/api-token").absent:
        token = found.spec.at("automountServiceAccountToken")
        yield from expect(token, lambda value: value is False, "mounts a token for the Kubernetes API")


@on_set("AC-13", ACCOUNT)
def accounts_mount_no_token(account: Resource, about: About) -> Findings:
    """Ask that an account's token is not mounted unless it says why (annotation api-token)."""
    if about.note(account, "api-token").absent:
        yield from expect(
            account.at("automountServiceAccountToken"),
            lambda value: value is False,
            "its token for the Kubernetes API is mounted, and no annotation api-token says why",
        )


@on("AC-13", _BINDING, _CLUSTER_BINDING)
def default_accounts_have_no_rights(binding: Resource) -> Findings:
    """Refuse rights for the account that every pod without a name of its own runs as."""
    for subject in binding.at("subjects").items():
        if subject.at("kind").text() == "ServiceAccount":
            yield from expect(subject.at("name"), lambda name: name != "default", "binds the default ServiceAccount")


@on_join("AC-13", ACCOUNT)
def accounts_serve_one_workload(account: Resource, about: About) -> Findings:
    """Refuse an account that workloads of two names share."""
    users: dict[tuple[str, str], set[str]] = about.graph.memo("account users", _users)
    key = (namespace(account).text(), account.at("metadata.name").text())
    names = users.get(key, set())
    if len(names) > 1:
        yield fault(f"is shared by {', '.join(sorted(names))}")


def _users(graph: Graph) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for resource in graph.of(*WHOLE):
        declared = pod(resource)
        try:
            key = (namespace(resource).text(), declared.spec.at("serviceAccountName").text())
            name = declared.labels.key("app.kubernetes.io/name").text() or resource.name
        except NotKnownError:
            continue
        found.setdefault(key, set()).add(name)
    return found


# --- who administers the cluster ---------------------------------------------------------------
@on("AC-14", EKS)
def clusters_use_access_entries(cluster: Resource) -> Findings:
    """Ask that access is declared, and that whoever made the cluster keeps no right by that."""
    yield from expect(
        cluster.at("accessConfig.authenticationMode"), lambda mode: mode == "API", "admits by the aws-auth ConfigMap"
    )
    yield from expect(
        cluster.at("accessConfig.bootstrapClusterCreatorAdminPermissions"),
        lambda value: value is False,
        "whoever creates the cluster stays its administrator",
    )


@on("AC-14", CONFIG_MAP)
def no_masters_by_config_map(config: Resource) -> Findings:
    """Refuse administrators by the aws-auth ConfigMap."""
    if config.at("metadata.name").text() == "aws-auth":
        for name, view in config.at("data").fields():
            yield from expect(view, lambda text: "system:masters" not in str(text), f"{name} makes administrators")


@on_join("AC-14", "aws:eks/accessEntry:AccessEntry")
def entries_make_no_masters(entry: Resource, about: About) -> Findings:
    """Refuse the group of masters, save for the break-glass role."""
    groups = _texts(entry.at("kubernetesGroups"))
    if "system:masters" in groups:
        yield from _only_break_glass(entry, about, "is in system:masters")


@on_join("AC-14", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
def administration_is_break_glass(association: Resource, about: About) -> Findings:
    """Refuse cluster administration by a standing role, save the break-glass one."""
    policy = association.at("policyArn").text().rpartition("/")[2]
    if policy in _ADMIN_POLICIES and association.at("accessScope.type").text() == "cluster":
        yield from _only_break_glass(association, about, f"has {policy} over the whole cluster")


def _only_break_glass(resource: Resource, about: About, what: str) -> Findings:
    role = about.graph.target(resource, "principalArn", (ROLE,), ROLE_KEYS)
    if role is None:
        value = resource.at("principalArn")
        yield fault(f"{what}, and is no role of this stack", value.path) if value.known else later(value.path)
    elif about.label(role, "break-glass") != "true":
        yield fault(f"{role.name} {what} and is not the break-glass role")
