"""What bindings, EKS access entries and aws-auth grant, each widened in the ways that its API allows."""

from typing import Any

import pytest

from policy_pack.facts.grants.comparison import beyond
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.facts.grants.grant import ANONYMOUS, EVERYTHING, Grant
from policy_pack.facts.grants.kubernetes import ANY_ACCOUNT
from policy_pack.facts.rbac.table import Rule, permissions_of
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy import world
from tests.policy.builders import STACK, build

RBAC = "kubernetes:rbac.authorization.k8s.io/v1"
ARN = "arn:aws:iam::123456789012:role/strange"
STRANGER = "AWS principal role/strange"
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
TRAINER = {"kind": "ServiceAccount", "name": "trainer", "namespace": "north-data"}


def grants(*resources: Resource) -> list[Grant]:
    """Return the grants that resources add to those of the compliant stack, but for who may do everything anyway."""
    before, after = (
        all_grants(AccessContext(Graph([*world.resources(), *more], STACK), world.settings()))
        for more in ((), resources)
    )
    added = set(after) - set(before)
    return sorted((one for one in added if one.subject.name != "role break-glass used by people"), key=str)


def role(name: str, *rules: dict[str, Any], kind: str = "ClusterRole", **fields: Any) -> Resource:
    return build(
        f"{RBAC}:{kind}",
        name,
        {"metadata": {"name": name, **fields.pop("metadata", {})}, "rules": list(rules), **fields},
    )


def binding(
    name: str, bound: str, *subjects: dict[str, str], namespace: str = "", role_kind: str = "ClusterRole"
) -> Resource:
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    values = {
        "metadata": {"name": name, "namespace": namespace} if namespace else {"name": name},
        "roleRef": {"kind": role_kind, "name": bound},
        "subjects": list(subjects),
    }
    return build(f"{RBAC}:{kind}", name, values)


def names(found: list[Grant]) -> set[str]:
    return {one.subject.name for one in found}


@pytest.mark.parametrize(
    ("subject", "name", "hospital"),
    [
        (TRAINER, "ServiceAccount data/trainer", "north"),
        ({"kind": "User", "name": "system:serviceaccount:south-phi:ingestor"}, "ServiceAccount phi/ingestor", "south"),
        ({"kind": "Group", "name": "system:serviceaccounts:north-phi"}, "ServiceAccount phi/*", "north"),
        ({"kind": "Group", "name": "system:serviceaccounts"}, ANY_ACCOUNT, ""),
        ({"kind": "Group", "name": "system:authenticated"}, ANY_ACCOUNT, ""),
        ({"kind": "Group", "name": "system:unauthenticated"}, ANONYMOUS, ""),
        ({"kind": "User", "name": "system:anonymous"}, ANONYMOUS, ""),
        ({"kind": "Group", "name": "operators"}, "group operators", ""),
        ({"kind": "User", "name": "jane"}, "user jane", ""),
    ],
)
def test_every_subject_of_a_binding_is_a_principal(subject: dict[str, str], name: str, hospital: str) -> None:
    [one] = {
        g.subject for g in grants(role("reader", SECRETS), binding("reader", "reader", subject, namespace="north-phi"))
    }
    assert (one.name, one.hospital) == (name, hospital)


def test_a_role_binding_grants_nothing_that_has_no_namespace() -> None:
    nodes = {"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}
    assert grants(role("nodes", nodes), binding("nodes", "nodes", TRAINER, namespace="north-data")) == []
    assert grants(role("nodes", nodes), binding("nodes", "nodes", TRAINER))


def test_whoever_can_run_pods_has_the_grants_of_every_account_of_the_namespace() -> None:
    jobs = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
    found = grants(role("jobs", jobs), binding("jobs", "jobs", TRAINER, namespace="south-phi"))
    [one] = [grant for grant in found if grant.data.name == "pseudonym-key"]
    assert (one.subject.hospital, one.data.hospital, one.verb) == ("north", "south", Verb.SIGN)
    assert one.path == (
        "north ServiceAccount data/trainer",
        "ClusterRole jobs by RoleBinding south-phi/jobs",
        "run pods as any ServiceAccount",
        "south ServiceAccount phi/ingestor",
        "Vault role south-ingestor",
        "policy south-ingestor",
        "south/transit/pseudonym: pseudonymise",
    )


@pytest.mark.parametrize(
    ("resource_names", "expected"),
    [(["ingestor"], {"north", "south"}), (["features"], set()), ([], {"north", "south"})],
)
def test_a_token_is_that_of_the_accounts_that_the_rule_names(resource_names: list[str], expected: set[str]) -> None:
    token = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "verbs": ["create"],
        "resourceNames": resource_names,
    }
    found = grants(role("token", token), binding("token", "token", TRAINER))
    assert {one.data.hospital for one in found if one.data.name == "pseudonym-key"} == expected


def test_roles_are_aggregated_by_label_and_by_selector() -> None:
    labelled = role(
        "more", SECRETS, metadata={"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true", "a": "b"}}
    )
    by_label = grants(labelled, binding("v", "edit", {"kind": "User", "name": "jane"}, namespace="north-data"))
    assert {one.verb for one in by_label if one.subject.name == "user jane" and one.data.name == "secrets"}
    selector = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    mine = role("mine", aggregationRule=selector)
    by_selector = grants(labelled, mine, binding("m", "mine", {"kind": "User", "name": "jane"}, namespace="north-data"))
    assert [one.data.name for one in by_selector if one.subject.name == "user jane"] == ["secrets"]
    every = role(
        "mine",
        aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}]},
    )
    assert len(grants(every, binding("m", "mine", {"kind": "User", "name": "jane"}))) > 20


def test_a_default_role_that_the_stack_changes_is_granted_to_its_groups() -> None:
    assert names(grants(role("system:basic-user", SECRETS))) >= {ANY_ACCOUNT}
    assert names(grants(role("system:public-info-viewer", SECRETS))) >= {ANONYMOUS}
    patch = build(f"{RBAC}:ClusterRolePatch", "p", {"metadata": {"name": "system:discovery"}, "rules": [SECRETS]})
    assert ANY_ACCOUNT in names(grants(patch))


def test_the_items_of_a_list_count() -> None:
    item = {
        "metadata": {"name": "b", "namespace": "north-phi"},
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [TRAINER],
    }
    assert grants(build(f"{RBAC}:RoleBindingList", "list", {"items": [item]}))


def test_a_role_that_nobody_knows_counts_as_everything() -> None:
    [one] = grants(binding("b", "of-a-chart", TRAINER))
    assert (one.data.name, one.verb, one.certain) == (EVERYTHING, None, True)


def test_a_role_without_binding_is_that_of_whoever_is_bound_to_it() -> None:
    assert names(grants(role("free", SECRETS))) == {"whoever is bound to ClusterRole free"}


# --- EKS -----------------------------------------------------------------------------------------
def entry(**fields: Any) -> Resource:
    return build("aws:eks/accessEntry:AccessEntry", "strange", {"principalArn": ARN, "type": "STANDARD", **fields})


def association(policy: str, **scope: Any) -> Resource:
    arn = f"arn:aws:eks::aws:cluster-access-policy/{policy}"
    values = {"principalArn": ARN, "policyArn": arn, "accessScope": scope or {"type": "cluster"}}
    return build("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", "strange", values)


@pytest.mark.parametrize("kind", ["EC2_LINUX", "EC2", "FARGATE_LINUX", "HYBRID_LINUX", "unheard"])
def test_the_identity_of_a_node_acts_as_every_account(kind: str) -> None:
    found = grants(entry(type=kind))
    assert names(found) == {STRANGER}
    assert {one.data.hospital for one in found if one.data.name == "pseudonym-key"} == {"north", "south"}


def test_groups_and_the_user_name_of_an_entry_hold_roles() -> None:
    bound = [role("reader", SECRETS), binding("g", "reader", {"kind": "Group", "name": "ops"}, namespace="north-phi")]
    assert names(grants(*bound, entry(kubernetesGroups=["ops"]))) == {STRANGER}
    bound = [role("reader", SECRETS), binding("u", "reader", {"kind": "User", "name": "ops"}, namespace="north-phi")]
    assert names(grants(*bound, entry(userName="ops"))) == {STRANGER}
    assert len(grants(entry(kubernetesGroups=["system:masters"]))) > 20


@pytest.mark.parametrize("field", ["kubernetesGroups", "userName", "type", "principalArn"])
def test_an_unknown_field_of_an_entry_counts_and_is_not_certain(field: str) -> None:
    found = grants(entry(**{field: UNKNOWN}))
    assert found
    assert not any(one.certain for one in found)


def test_an_access_policy_grants_its_role_where_its_scope_is() -> None:
    found = grants(association("AmazonEKSSecretReaderPolicy", type="namespace", namespaces=["north-*"]))
    assert {(one.data.name, one.data.hospital, one.verb) for one in found} == {("secrets", "north", Verb.READ)}
    assert {one.data.hospital for one in grants(association("AmazonEKSViewPolicy"))} == {"", "north", "south"}


def test_an_access_policy_that_nobody_described_counts_as_everything() -> None:
    [one] = grants(association("AmazonEKSNewPolicy"))
    assert (one.data.name, one.verb) == (EVERYTHING, None)


def aws_auth(**data: Any) -> Resource:
    return build(
        "kubernetes:core/v1:ConfigMap",
        "auth",
        {"metadata": {"name": "aws-auth", "namespace": "kube-system"}, "data": data},
    )


@pytest.mark.parametrize(
    "data",
    [
        {"mapRoles": f"- {{rolearn: '{ARN}', username: x, groups: [system:masters]}}"},
        {"mapUsers": f"- {{userarn: '{ARN}', username: x, groups: [system:masters]}}"},
        {"mapRoles": f"- {{rolearn: '{ARN}', username: x, groups: [system:nodes]}}"},
        {"mapRoles": "- {groups: [x]}"},
        {"mapRoles": "groups: [system:masters]"},
        {"mapRoles": "{"},
        {"mapAccounts": "- '999999999999'"},
        {"mapRoles": UNKNOWN},
    ],
)
def test_aws_auth_is_read(data: dict[str, Any]) -> None:
    found = grants(aws_auth(**data))
    assert {one.data.hospital for one in found if one.data.name == "pseudonym-key"} == {"north", "south"}
    table = AccessContext(world.graph(), world.settings()).table
    assert beyond(found, table)


# --- rules ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("groups", "resources", "verbs", "expected"),
    [
        ("", "pods/exec", "get", "execute commands in pods"),
        ("*", "*/attach", "create", "execute commands in pods"),
        ("", "secrets/*", "get", "read other objects"),
        ("", "secrets", "*", "write Secrets"),
        ("", "users", "impersonate:user-info", "impersonate users and groups"),
        ("x.example", "y", "create", "change other objects"),
        ("x.example", "y", "watch", "read other objects"),
        ("", "pods", "unheard", "change other objects"),
    ],
)
def test_a_rule_permits(groups: str, resources: str, verbs: str, expected: str) -> None:
    assert expected in permissions_of(Rule((groups,), (resources,), (verbs,)))


def test_harmless_rules_permit_nothing() -> None:
    assert permissions_of(Rule(("authorization.k8s.io",), ("selfsubjectaccessreviews",), ("create",))) == ()
    assert permissions_of(Rule(verbs=("get",), paths=("/healthz", "/api/*"))) == ()
    assert permissions_of(Rule(verbs=("get",), paths=("/metrics",))) == ("read from the API server",)
    assert permissions_of(Rule(verbs=("post",), paths=("/x",))) == ("change other objects",)
