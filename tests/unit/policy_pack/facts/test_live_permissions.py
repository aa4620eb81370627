"""Permissions that a stack declares, in the form in which servers return them."""

import json

import pytest

from policy_pack.facts.live_permissions import declared, expected, is_expected, role_content
from policy_pack.stack.graph import Graph
from policy_pack.stack.live import AWS, VAULT, Permission, document, policy_text
from tests.policy import recorded
from tests.policy.builders import STACK, build


def content(type_: str, props: dict[str, object]) -> dict[Permission, str]:
    return declared(Graph([build(type_, "x", props)], STACK))


def test_the_order_and_the_form_of_a_document_make_no_difference() -> None:
    one = {"Statement": [{"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "a"}], "Version": "2012-10-17"}
    other = {"Version": "2012-10-17", "Statement": {"Resource": ["a"], "Action": ["s3:PutObject", "s3:GetObject"]}}
    assert document(json.dumps(one)) == document(other)
    assert document(one) != document(one | {"Statement": [*one["Statement"], {"Action": "*"}]})
    assert document("no JSON ") == "no JSON"
    assert policy_text('\n  path "a" {\n    capabilities = ["read"] }\n\n') == 'path "a" {\ncapabilities = ["read"] }'


def test_a_role_is_compared_by_who_logs_in_and_with_what() -> None:
    props = {
        "backend": "kubernetes",
        "roleName": "north-planner",
        "boundServiceAccountNames": ["planner"],
        "boundServiceAccountNamespaces": ["north-serving"],
        "tokenPolicies": ["north-planner"],
        "tokenTtl": 900,
    }
    [(permission, declared_content)] = content("vault:kubernetes/authBackendRole:AuthBackendRole", props).items()
    assert permission == Permission(VAULT, "login role", "kubernetes/north-planner")
    server = {
        "bound_service_account_names": ["planner"],
        "bound_service_account_namespaces": ["north-serving"],
        "token_policies": ["north-planner"],
        "token_ttl": 60,
        "bound_cidrs": [],
    }
    assert role_content(server) == declared_content
    assert role_content(server | {"token_policies": ["north-planner", "root"]}) != declared_content
    assert role_content(server | {"bound_service_account_names": ["*"]}) != declared_content


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_permission_of_the_stacks_has_a_name(stack: str) -> None:
    found = declared(recorded.unchanged(stack).graph())
    assert found
    assert all(permission.name.strip("/") for permission in found)
    assert {permission.server for permission in found} == {VAULT, AWS}


@pytest.mark.parametrize(
    ("server", "kind", "name", "stack", "allowed"),
    [
        (VAULT, "policy", "default", "prod", True),
        (VAULT, "policy", "hmlops-operator", "dev", True),
        (VAULT, "policy", "hmlops-operator", "prod", False),
        (VAULT, "login role", "default", "prod", False),
        (AWS, "role", "AWSServiceRoleForBackup", "prod", True),
        (AWS, "inline policy", "role/AWSServiceRoleForBackup/x", "prod", False),
    ],
)
def test_others_hold_what_the_table_says_and_nothing_else(
    server: str, kind: str, name: str, stack: str, allowed: bool
) -> None:
    assert is_expected(server, kind, name, stack) is allowed


def test_no_row_of_the_table_allows_everything() -> None:
    assert all(row.name.strip("*/?") and row.reason for row in expected())
