"""Described properties: set each field that an API allows wrong, one at a time."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from policy_pack.controls.access.vault_engines import tokens_are_reviewed_by_the_cluster
from policy_pack.controls.properties.described import properties_are_described, references_are_resolved
from policy_pack.controls.properties.table import Properties, table
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
PROXY = "k8s:gateway.envoyproxy.io/EnvoyProxy"
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"
STACK = recorded.unchanged("dev").graph()
VAULT = table()["AC-12"]
PLAIN = "postgresql://{{username}}:{{password}}@db:5432/north?sslmode=require"


def kinds_of(resource: Resource) -> list[FindingKind]:
    row = VAULT.get(resource.kind)
    return [finding.kind for finding in properties_are_described(resource, row)] if row else []


def changed(kind: str, name: str, value: Any) -> Resource:
    resource = STACK.of(kind)[0]
    first, _, rest = name.partition(".")
    return replace(resource, props={**resource.props, first: {**resource.props[first], rest: value} if rest else value})


@pytest.mark.parametrize("kind", VAULT)
def test_the_objects_of_the_program_are_described(kind: str) -> None:
    assert STACK.of(kind)
    assert [finding for resource in STACK.of(kind) for finding in properties_are_described(resource, VAULT[kind])] == []


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


def test_what_the_api_server_adds_to_an_access_log_is_described() -> None:
    [proxy, *_] = STACK.of(PROXY)
    added = copy.deepcopy(proxy.props)
    sinks = [sink for setting in added["spec"]["telemetry"]["accessLog"]["settings"] for sink in setting["sinks"]]
    logs = [sink["openTelemetry"] for sink in sinks if "openTelemetry" in sink]
    for log in logs:
        log["port"] = 4317
        log["backendRefs"][0]["weight"] = 1
    row = table()["SEG-12"][PROXY]
    assert logs
    assert list(properties_are_described(replace(proxy, props=added), row)) == []
    logs[0]["port"] = 4318
    assert len(list(properties_are_described(replace(proxy, props=added), row))) == 1


BUCKET, ROLE = "aws:s3/bucket:Bucket", "aws:iam/role:Role"
STORE = build(BUCKET, "store", {"bucket": "store", "arn": "arn:aws:s3:::store"})


def judged(row: Properties, props: dict[str, Any]) -> list[str]:
    return [finding.message for finding in properties_are_described(build("aws:x/y:Y", "y", props), row)]


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        (Properties(all_of="spec", free=frozenset({"spec.a"})), {"spec": {"a": 1}, "b": 2}, {"spec": {"a": 1, "b": 2}}),
        (Properties(all_of="spec"), {"spec": {"a": False, "b": []}}, {"spec": {"http10": {}}}),
        (Properties(values={"on": (None, True)}), {}, {"on": False}),
        (Properties(values={"rules.status": ("Enabled",)}), {"rules": [{"status": "Enabled"}]}, {"rules": [{}]}),
        (Properties(patterns={"port": "443"}), {"port": 443}, {"port": 4430}),
        (Properties(at_most={"wait": 60}), {"wait": "1m"}, {"wait": "1h"}),
        (Properties(at_least={"wait": 10}), {"wait": "30s"}, {"wait": "30s-other"}),
        (Properties(some={"rules.when": "daily"}), {"rules": [{"when": "weekly"}, {"when": "daily"}]}, {"rules": []}),
        (Properties(items={"subnets": 2}), {"subnets": ["a", "b"]}, {"subnets": ["a"]}),
        (Properties(required=("name",)), {"name": "x"}, {"name": ""}),
    ],
)
def test_each_kind_of_row_passes_what_it_describes_and_refuses_the_rest(
    row: Properties, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    assert judged(row, right) == []
    assert len(judged(row, wrong)) == 1


def resolved(row: Properties, props: dict[str, Any], *others: Resource) -> list[str]:
    resource = build("aws:x/y:Y", "y", props)
    graph = Graph([resource, *others], "dev")
    return [finding.message for finding in references_are_resolved(resource, row, graph)]


def test_a_reference_names_a_resource_of_the_stack() -> None:
    row = Properties(references={"bucket": (BUCKET,)})
    assert resolved(row, {"bucket": "store"}, STORE) == []
    assert resolved(row, {"bucket": "arn:aws:s3:::store"}, STORE) == []
    assert resolved(row, {"bucket": UNKNOWN}, STORE) == []
    assert resolved(row, {}, STORE) == []
    assert resolved(row, {"bucket": "other"}, STORE) == ["bucket names no Bucket of this stack"]


def test_a_role_can_be_assumed_by_the_service_that_uses_it() -> None:
    row = Properties(assumed_by={"role": "backup.amazonaws.com"})
    for service, messages in (
        ("backup.amazonaws.com", []),
        ("ec2.amazonaws.com", ["role is a role that backup.amazonaws.com cannot assume"]),
    ):
        trust = f'{{"Statement": [{{"Principal": {{"Service": "{service}"}}}}]}}'
        role = build(ROLE, "own", {"name": "own", "arn": "arn:aws:iam::1:role/own", "assumeRolePolicy": trust})
        assert resolved(row, {"role": "own"}, role) == messages


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
