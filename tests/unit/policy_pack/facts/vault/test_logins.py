"""What everything that gives policies in Vault grants, each widened in the ways that its API allows."""

from typing import Any

import pytest

from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.facts.grants.grant import EVERYTHING, Grant
from policy_pack.facts.vault.table import table
from policy_pack.facts.verbs import Verb
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy import world
from tests.policy.builders import STACK, build, changed

POLICY = "north-ingestor"
KUBERNETES_ROLE = "vault:kubernetes/authBackendRole:AuthBackendRole"


def evaluated(resources: list[Resource]) -> set[Grant]:
    found = all_grants(AccessContext(Graph(resources, STACK), world.settings()))
    return {one for one in found if one.subject.name != "role break-glass used by people"}


BEFORE = evaluated(list(world.resources()))


def added(*resources: Resource) -> list[Grant]:
    return sorted(evaluated([*world.resources(), *resources]) - BEFORE, key=str)


def widened(kind: str, name: str, **fields: Any) -> list[Grant]:
    """Return what fields of a resource of the compliant stack add."""
    resources = []
    for resource in world.resources():
        made = resource
        if (resource.kind, resource.name) == (kind, name):
            for field, value in fields.items():
                made = changed(made, field, value)
        resources.append(made)
    return sorted(evaluated(resources) - BEFORE, key=str)


def subjects(found: list[Grant]) -> set[str]:
    return {one.subject.name for one in found}


@pytest.mark.parametrize("kind", sorted(table().logins))
def test_every_kind_of_login_has_the_grants_of_its_policies(kind: str) -> None:
    row = table().logins[kind]
    found = added(build(kind, "more", {row.policies[0]: [POLICY], row.name: "more"}))
    assert {(one.data.name, one.verb) for one in found} == {("pseudonym-key", Verb.SIGN)}


@pytest.mark.parametrize(
    ("kind", "fields", "subject"),
    [
        ("jwt", {}, "anyone who reaches Vault by people with a Vault login more"),
        ("jwt", {"boundSubject": "*"}, "anyone who reaches Vault by people with a Vault login more"),
        ("jwt", {"boundClaims": {"groups": "*"}}, "anyone who reaches Vault by people with a Vault login more"),
        ("jwt", {"boundClaims": {"groups": "operators"}}, "people with a Vault login by role more"),
        ("appRole", {}, "AppRole more"),
        ("appRole", {"bindSecretId": False}, "anyone who reaches Vault by AppRole more"),
        ("aws", {"boundIamPrincipalArns": ["*"]}, "anyone who reaches Vault by Vault login by AWS more"),
        ("aws", {"boundIamPrincipalArns": ["arn:aws:iam::1:role/x"]}, "Vault login by AWS more"),
        ("tokenauth", {}, "Vault token role more"),
    ],
)
def test_a_login_without_bounds_is_anyone_s(kind: str, fields: dict[str, Any], subject: str) -> None:
    row = table().logins[f"vault:{kind}/authBackendRole:AuthBackendRole"]
    login = build(
        f"vault:{kind}/authBackendRole:AuthBackendRole", "more", {"tokenPolicies": [POLICY], row.name: "more", **fields}
    )
    assert subjects(added(login)) == {subject}


def test_policies_by_pattern_and_paths_at_will_count_as_everything() -> None:
    globs = {"roleName": "r", "allowedPoliciesGlobs": ["north-*"]}
    for kind, fields in (
        ("vault:tokenauth/authBackendRole:AuthBackendRole", globs),
        ("vault:generic/endpoint:Endpoint", {}),
    ):
        assert EVERYTHING in {one.data.name for one in added(build(kind, "more", fields))}


def test_a_kind_that_nobody_described_is_a_login() -> None:
    found = added(build("vault:new/method:Method", "more", {"policies": [POLICY]}))
    assert [one.data.name for one in found] == ["pseudonym-key"]


def test_the_policy_default_of_the_stack_is_that_of_every_login() -> None:
    text = 'path "south/transit/hmac/pseudonym" { capabilities = ["update"] }'
    found = added(build("vault:index/policy:Policy", "default", {"name": "default", "policy": text}))
    assert {(one.subject.name, one.data.hospital) for one in found} >= {("ServiceAccount phi/ingestor", "south")}


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"boundServiceAccountNames": ["*"]}, "ServiceAccount phi/*"),
        ({"boundServiceAccountNames": ["ingestor", "reader"]}, "ServiceAccount phi/reader"),
        ({"boundServiceAccountNamespaces": ["*"]}, "ServiceAccount */ingestor"),
        ({"boundServiceAccountNamespaceSelector": '{"matchLabels": {}}'}, "ServiceAccount */ingestor"),
        (
            {"backend": "elsewhere"},
            "ServiceAccount of cluster of auth/elsewhere, which the stack does not configure phi/ingestor",
        ),
    ],
)
def test_a_role_of_kubernetes_is_that_of_its_accounts(fields: dict[str, Any], subject: str) -> None:
    assert subject.rpartition(" ")[2] in " ".join(subjects(widened(KUBERNETES_ROLE, POLICY, **fields)))


def test_another_cluster_s_accounts_are_others() -> None:
    cluster = "aws:eks/cluster:Cluster"
    config = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
    resources = [
        changed(one, "endpoint", "https://own")
        if one.kind == cluster
        else changed(one, "kubernetesHost", "https://other")
        if one.kind == config
        else one
        for one in world.resources()
    ]
    found = evaluated(resources) - BEFORE
    assert any("cluster https://other" in one.subject.name for one in found)


@pytest.mark.parametrize(
    "field",
    [
        "boundServiceAccountNames",
        "boundServiceAccountNamespaces",
        "boundServiceAccountNamespaceSelector",
        "tokenPolicies",
    ],
)
def test_an_unknown_field_of_a_role_counts_and_is_not_certain(field: str) -> None:
    found = widened(KUBERNETES_ROLE, POLICY, **{field: UNKNOWN})
    assert found
    assert not any(one.certain for one in found)


@pytest.mark.parametrize(
    ("path", "capability", "place", "verb"),
    [
        ("sys/policies/acl/*", "update", "vault-path sys/policies/acl/*", Verb.ADMINISTER),
        ("sys/raw/*", "read", "vault-path sys/raw/*", Verb.READ),
        ("auth/kubernetes/role/*", "create", "vault-path auth/kubernetes/role/*", Verb.ADMINISTER),
        ("north/transit/keys/pseudonym", "delete", "pseudonym-key", Verb.DELETE),
        ("north/transit/keys/pseudonym/config", "update", "pseudonym-key", Verb.ADMINISTER),
        ("north/transit/export/hmac-key/pseudonym/1", "read", "pseudonym-key", Verb.ADMINISTER),
        ("north/transit/backup/pseudonym", "read", "pseudonym-key", Verb.ADMINISTER),
        ("north/transit/keys/pseudonym", "sudo", "vault-path north/transit/keys/pseudonym", Verb.ADMINISTER),
        ("north/kv/data/other", "read", "vault-path north/kv/data/other", Verb.READ),
        ("north/kv/metadata/*", "list", "vault-path north/kv/metadata/*", Verb.LIST),
        ("north/new/x", "patch", "vault-path north/new/x", Verb.WRITE),
    ],
)
def test_a_path_is_a_place(path: str, capability: str, place: str, verb: Verb) -> None:
    text = f'path "{path}" {{ capabilities = ["{capability}"] }}'
    found = widened("vault:index/policy:Policy", POLICY, policy=text)
    assert (place, verb) in {(one.data.name.removesuffix(" (not described in access.yaml)"), one.verb) for one in found}


def test_paths_of_the_own_token_are_nobody_else_s() -> None:
    paths = ("auth/token/renew-self", "sys/wrapping/unwrap", "cubbyhole/x")
    text = " ".join(f'path "{path}" {{ capabilities = ["update"] }}' for path in paths)
    assert widened("vault:index/policy:Policy", POLICY, policy=text) == []


@pytest.mark.parametrize(
    ("kind", "name", "field", "value"),
    [
        ("vault:transit/secretBackendKey:SecretBackendKey", "north-pseudonym", "exportable", True),
        ("vault:transit/secretBackendKey:SecretBackendKey", "north-pseudonym", "allowPlaintextBackup", True),
        ("vault:index/mount:Mount", "north-kv", "auditNonHmacResponseKeys", ["data"]),
        ("vault:index/authBackend:AuthBackend", "kubernetes", "tune", [{"auditNonHmacRequestKeys": ["jwt"]}]),
    ],
)
def test_what_leaves_vault_in_clear_is_a_grant(kind: str, name: str, field: str, value: Any) -> None:
    assert all(one.certain for one in widened(kind, name, **{field: value}))
    assert widened(kind, name, **{field: value})
    assert {one.certain for one in widened(kind, name, **{field: UNKNOWN})} == {False}


def test_an_exported_authority_is_a_grant() -> None:
    root = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
    assert added(build(root, "r", {"backend": "north/pki", "type": "internal"})) == []
    assert subjects(added(build(root, "r", {"backend": "north/pki", "type": "exported"}))) == {
        "reader of the stack's state"
    }
