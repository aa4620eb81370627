"""What a PostgreSQL server says of a hospital that left, before and after the removal of its databases."""

import json
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from policy_pack.errors import PackError
from policy_pack.evidence import postgres_server
from policy_pack.evidence.destruction import Disposition
from policy_pack.evidence.postgres_server import Server
from policy_pack.stack.graph import Graph, Resource
from services.database import removal
from tests.policy import recorded
from tests.support.databases.postgres import ADMINISTRATOR, HOST, PostgresServer


@pytest.fixture
def server(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return Server(HOST, postgres.port, postgres.authority.read_text(), "administrator")


def secret(password: str) -> None:
    login = json.dumps({"username": ADMINISTRATOR, "password": password})
    boto3.client("secretsmanager").create_secret(Name="administrator", SecretString=login)


@pytest.mark.process
def test_what_is_left_is_named_and_after_the_removal_only_the_audit_is_kept(
    postgres: PostgresServer, server: Server
) -> None:
    with mock_aws():
        secret(postgres.password)
        # Another hospital's name begins with this one's.
        postgres.hospital("leaving")
        postgres.hospital("leaving-not")
        before = {one.name: one for one in postgres_server.former_resources(server, "leaving")}
        assert before["leaving-care"].problem == "still exists"
        assert before["leaving-care-service"].problem == "still exists"
        assert before["leaving-audit"].disposition is Disposition.RETAINED
        removal.remove(postgres.administrator, "leaving")
        after = postgres_server.former_resources(server, "leaving")
    assert not [one for one in after if one.problem]
    assert {one.name for one in after if one.disposition is Disposition.RETAINED} == {"leaving-audit", "leaving-owner"}
    assert not [one for one in after if "not" in one.name]
    assert {"leaving-care", "leaving-planning", "leaving-warehouse", "vault_leaving"} <= {one.name for one in after}


@pytest.mark.process
def test_an_audit_database_that_is_gone_is_a_problem(postgres: PostgresServer, server: Server) -> None:
    with mock_aws():
        secret(postgres.password)
        problems = [one for one in postgres_server.former_resources(server, "never") if one.problem]
    assert [(one.name, one.problem) for one in problems] == [("never-audit", "does not exist, but must be retained")]


@pytest.mark.process
def test_a_server_that_refuses_is_one_sentence_without_the_password(postgres: PostgresServer, server: Server) -> None:
    with mock_aws():
        with pytest.raises(PackError, match="cannot be read"):
            postgres_server.former_resources(server, "leaving")
        secret("hunter2")
        with pytest.raises(PackError, match="cannot be asked") as refusal:
            postgres_server.former_resources(server, "leaving")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_state_says_where_the_server_is(stack: str) -> None:
    graph = recorded.unchanged(stack).graph()
    server = postgres_server.server_of(graph, "north")
    assert server is not None
    assert (server.port, bool(server.host), bool(server.secret)) == (5432, True, True)
    assert bool(server.authorities) == (stack == "prod")
    assert postgres_server.server_of(graph, "nowhere") is None


def test_a_state_without_the_secret_is_refused(tmp_path: Path) -> None:
    whole = recorded.unchanged("dev").graph()
    without: list[Resource] = [one for one in whole if one.kind != "k8s:batch/CronJob"]
    with pytest.raises(PackError, match="administrator's secret"):
        postgres_server.server_of(Graph(without, "dev"), "north")
