"""Properties of Vault's objects: set each field that the API allows wrong, one at a time."""

from dataclasses import replace
from typing import Any

import pytest

from policy_pack.controls.access.vault_engines import tokens_are_reviewed_by_the_cluster
from policy_pack.controls.access.vault_properties import properties_of_vault_are_described, table
from policy_pack.settings import load
from policy_pack.stack.checks import FindingKind, StackContext
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy import recorded
from tests.policy.builders import build

CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
DATABASE_ROLE = "vault:database/secretBackendRole:SecretBackendRole"
LOGIN = "vault:kubernetes/authBackendRole:AuthBackendRole"
CONFIG = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
PKI_ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"
STACK = recorded.unchanged("dev").graph()
PLAIN = "postgresql://{{username}}:{{password}}@db:5432/north?sslmode=require"


def kinds_of(resource: Resource) -> list[FindingKind]:
    return [finding.kind for finding in properties_of_vault_are_described(resource)]


def changed(kind: str, name: str, value: Any) -> Resource:
    resource = STACK.of(kind)[0]
    first, _, rest = name.partition(".")
    return replace(resource, props={**resource.props, first: {**resource.props[first], rest: value} if rest else value})


@pytest.mark.parametrize("kind", table())
def test_the_objects_of_the_program_are_described(kind: str) -> None:
    assert STACK.of(kind)
    assert [finding for resource in STACK.of(kind) for finding in properties_of_vault_are_described(resource)] == []


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (CONNECTION, "postgresql.connectionUrl", PLAIN),
        (CONNECTION, "postgresql.connectionUrl", f"{PLAIN}&sslmode=verify-full"),
        (CONNECTION, "postgresql.passwordAuthentication", "password"),
        (CONNECTION, "postgresql.passwordAuthentication", None),
        (CONNECTION, "postgresql.disableEscaping", True),
        (CONNECTION, "allowedRoles", ["analyst", "*"]),
        (CONNECTION, "rootRotationStatements", ["ALTER ROLE x SUPERUSER"]),
        (DATABASE_ROLE, "defaultTtl", 3601),
        (DATABASE_ROLE, "defaultTtl", 0),
        (DATABASE_ROLE, "revocationStatements", []),
        (LOGIN, "tokenBoundCidrs", ["0.0.0.0/0"]),
        (LOGIN, "tokenType", "batch"),
        (LOGIN, "aliasNameSource", "serviceaccount_name"),
        (LOGIN, "audience", ""),
        (PKI_ROLE, "keyUsages", ["CertSign"]),
        (PKI_ROLE, "keyUsages", []),
        (PKI_ROLE, "ttl", "forever"),
        (QUOTA, "rate", 0),
        (QUOTA, "role", "x"),
        (QUOTA, "path", "auth/userpass/login/x"),
    ],
)
def test_another_value_is_refused(kind: str, name: str, value: Any) -> None:
    assert kinds_of(changed(kind, name, value)) == [FindingKind.VIOLATION]


def test_a_value_that_is_not_known_yet_is_judged_later() -> None:
    assert kinds_of(changed(PKI_ROLE, "keyUsages", UNKNOWN)) == [FindingKind.UNKNOWN]
    assert kinds_of(changed(LOGIN, "tokenBoundCidrs", UNKNOWN)) == []


def test_other_kinds_are_not_judged() -> None:
    assert kinds_of(build("vault:index/policy:Policy", "x", {"anything": True})) == []


@pytest.mark.parametrize("host", ["https://198.51.100.7:6443", "http://172.31.250.1:6443"])
def test_tokens_are_reviewed_by_the_stack_s_cluster(host: str) -> None:
    context = StackContext(STACK, load(), None)
    [config] = STACK.of(CONFIG)
    assert list(tokens_are_reviewed_by_the_cluster(config, context)) == []
    assert len(list(tokens_are_reviewed_by_the_cluster(changed(CONFIG, "kubernetesHost", host), context))) == 1


def test_the_endpoint_of_an_eks_cluster_reviews_tokens() -> None:
    cluster = build("aws:eks/cluster:Cluster", "eks", {"endpoint": "https://eks.example"})
    context = StackContext(Graph([*STACK, cluster], "dev"), load(), None)
    right = changed(CONFIG, "kubernetesHost", "https://eks.example")
    assert list(tokens_are_reviewed_by_the_cluster(right, context)) == []
    [config] = STACK.of(CONFIG)
    assert len(list(tokens_are_reviewed_by_the_cluster(config, context))) == 1
