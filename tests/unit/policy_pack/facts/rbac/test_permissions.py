"""Permissions of Kubernetes RBAC: cases worked out by hand."""

from typing import Any

from policy_pack.facts.rbac.permissions import cluster_permissions
from policy_pack.stack.graph import Graph, Resource
from tests.policy.access_resources import ACCOUNT, arn, role
from tests.policy.builders import STACK, build


def rbac(
    kind: str, name: str, rules: list[dict[str, Any]], subject: dict[str, str], namespace: str = ""
) -> list[Resource]:
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    bound = "RoleBinding" if namespace else "ClusterRoleBinding"
    group = "kubernetes:rbac.authorization.k8s.io/v1"
    return [
        build(f"{group}:{kind}", name, {"metadata": meta, "rules": rules}),
        build(
            f"{group}:{bound}",
            name,
            {"metadata": meta, "roleRef": {"kind": kind, "name": name}, "subjects": [subject]},
        ),
    ]


TRAINER = {"kind": "ServiceAccount", "name": "trainer", "namespace": "north-data"}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def test_kubernetes_roles_grant_what_they_list() -> None:
    resource_names = {**SECRETS, "resourceNames": ["fhir"]}
    exec_ = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}
    harmless = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    found = cluster_permissions(
        Graph(
            [
                *rbac("Role", "a", [resource_names, harmless], TRAINER, "north-data"),
                *rbac("ClusterRole", "b", [exec_], {"kind": "Group", "name": "operators"}),
            ],
            STACK,
        )
    )
    assert [(one.namespace, one.principal.label, one.permission, one.resource_names) for one in found.permissions] == [
        ("every namespace", "group operators", "execute commands in pods", ()),
        ("north-data", "ServiceAccount north-data/trainer", "read Secrets", ("fhir",)),
        ("north-data", "ServiceAccount north-data/trainer", "read other objects", ()),
    ]
    assert found.unresolved == ()


def test_a_missing_role_is_listed_and_a_default_role_is_known() -> None:
    [_, lost] = rbac("Role", "lost", [], TRAINER, "north-data")
    [_, edit] = rbac("ClusterRole", "edit", [], TRAINER)
    found = cluster_permissions(Graph([lost, edit], STACK))
    assert found.unresolved == ("Role lost by RoleBinding north-data/lost",)
    assert {"read Secrets", "execute commands in pods"} <= {one.permission for one in found.permissions}
    assert "grant permissions" not in {one.permission for one in found.permissions}


def test_the_group_of_an_access_entry_is_its_role_s_principals() -> None:
    people = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    entry = build(
        "aws:eks/accessEntry:AccessEntry", "ops", {"principalArn": arn("ops"), "kubernetesGroups": ["operators"]}
    )
    bound = rbac("ClusterRole", "reader", [SECRETS], {"kind": "Group", "name": "operators"})
    found = cluster_permissions(Graph([*role("ops", trust=people), entry, *bound], STACK))
    [one] = found.permissions
    assert one.principal.label == "another principal of the account"
    assert one.through[1:] == ("group operators", "role ops")
