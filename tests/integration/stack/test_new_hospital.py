"""A hospital that comes and leaves: an update that is killed, closing, the removal of its databases, the proof."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import hvac
import pytest
from botocore.exceptions import ClientError
from kubernetes import client
from sqlalchemy import text
from typer.testing import CliRunner

from infra.settings import DataClass
from local.cluster.postgres import SECRET
from local.paths import NODE_IP, POSTGRES_PORT, REPOSITORY, Home
from local.stack import jobs
from local.stack.jobs import Run
from local.stack.settings import STACK
from local.stack.stack import Stack
from model.io.database import DatabaseLogin, DatabaseServer
from policy_pack.command import app
from services.database import removal, setup
from services.database.administrator import Administrator
from services.database.errors import DatabaseError
from services.database.vault_login import create_role
from tests.integration.support import eventually, pulumi, steps, with_hospital


@pytest.fixture(scope="module")
def east(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The stack's configuration with one hospital more, which these tests deploy once."""
    yield with_hospital(tmp_path_factory.mktemp("east"), "east")
    pulumi("up", "--yes", "--skip-preview")


def aliases_of(hospital: str) -> list[dict[str, Any]]:
    pages = boto3.client("kms").get_paginator("list_aliases").paginate()
    return [dict(entry) for page in pages for entry in page["Aliases"] if f"-{hospital}-" in entry["AliasName"]]


def keys_of(hospital: str) -> int:
    service = boto3.client("kms")
    own = {entry["TargetKeyId"] for entry in aliases_of(hospital)}
    described = [
        service.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]
        for page in service.get_paginator("list_keys").paginate()
        for entry in page["Keys"]
    ]
    made = [key for key in described if key["Enabled"] and hospital in key.get("Description", "")]
    assert {key["KeyId"] for key in made} == own
    return len(made)


def test_a_new_hospital_is_creations_alone_and_none_is_made_twice_after_an_update_that_was_killed(
    home: Home, api: client.ApiClient, east: Path
) -> None:
    planned = steps(east)
    assert set(planned) == {"create", "same"}
    assert all("east" in urn.rpartition("::")[2] for urn in planned["create"])
    command = ["pulumi", "--non-interactive", "up", "--yes", "--skip-preview", "--stack", STACK]
    update = subprocess.Popen(
        [*command, "--config-file", str(east)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: bool(aliases_of("east")), 180)
    os.killpg(update.pid, signal.SIGKILL)
    update.wait()
    stack = Stack(home)
    stack.select()
    stack.recover()
    pulumi("up", "--yes", "--skip-preview", config=east)
    assert set(steps(east)) == {"same"}
    assert keys_of("east") == len(DataClass)
    core: Any = client.CoreV1Api(api)
    zones = core.list_namespace(label_selector="healthcare-mlops/hospital=east").items
    assert {zone.metadata.name for zone in zones} == {f"east-{zone}" for zone in ("phi", "serving", "data", "platform")}


@pytest.fixture
def administrator() -> Administrator:
    """The administrator of the environment's PostgreSQL, by its secret."""
    secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"])
    server = DatabaseServer(host=NODE_IP, port=POSTGRES_PORT, ca=os.environ["PGSSLROOTCERT"])
    return Administrator(server, DatabaseLogin.model_validate(secret))


def no_login_is_valid(administrator: Administrator) -> bool:
    with administrator.autocommit() as connection:
        try:
            removal.require_no_valid_login(connection, "east")
        except DatabaseError:
            return False
    return True


def test_a_hospital_leaves_by_being_closed_and_is_proved_gone(
    api: client.ApiClient, east: Path, tmp_path: Path, administrator: Administrator
) -> None:
    pulumi("up", "--yes", "--skip-preview", config=east)
    store = boto3.client("s3")
    raw = "hmlops-dev-east-raw"
    store.put_object(Bucket=raw, Key="tests/kept", Body=b"records")
    closed = with_hospital(tmp_path, "east", leaving="closed")
    pulumi("up", "--yes", "--skip-preview", config=closed)
    with pytest.raises(ClientError, match="AccessDenied"):
        store.get_object(Bucket=raw, Key="tests/kept")
    core: Any = client.CoreV1Api(api)
    for zone in ("phi", "serving", "data", "platform"):
        home = f"east-{zone}"
        accounts = {entry.metadata.name for entry in core.list_namespaced_service_account(home).items}
        assert accounts == {"default"}
        assert core.read_namespaced_resource_quota("zone", home).status.hard["pods"] == "0"
    logins: Any = hvac.Client(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"], verify=os.environ["VAULT_CACERT"])
    roles = logins.auth.kubernetes.list_roles()["keys"]
    assert not [role for role in roles if role.startswith("east-")]
    assert [role for role in roles if role.startswith("north-")]
    approved = {"approvedBy": "privacy-officer:jane.doe", "reason": "BAA-2026-099 ended"}
    released = with_hospital(tmp_path, "east", leaving="released", databaseRemoval=approved)
    pulumi("up", "--yes", "--skip-preview", config=released)
    # Created by the administrator while no pod asks Vault for logins, which would last for a quarter of an hour.
    setup.set_up(administrator, "east")
    with administrator.autocommit() as connection:
        create_role(connection, "east")
    setup.migrate_all(administrator, "east")
    eventually(lambda: no_login_is_valid(administrator), 1200)
    jobs.ensure(api, Run("east-phi", "database-removal", "once"), tell=lambda _: None)
    records = store.list_objects_v2(Bucket="hmlops-dev-east-audit", Prefix="database-removal/")["Contents"]
    assert [entry["Key"].rpartition("-")[2] for entry in records] == ["begun.json", "done.json"]
    files = {name: tmp_path / f"{name}.json" for name in ("before", "after")}
    pulumi("stack", "export", "--file", str(files["before"]))
    pulumi("up", "--yes", "--skip-preview")
    pulumi("stack", "export", "--file", str(files["after"]))
    named = ["--stack", STACK, "--hospital", "east", "--before", str(files["before"]), "--after", str(files["after"])]
    told = CliRunner().invoke(app, ["destruction", *named, "--live", "--json"])
    assert told.exit_code == 0, told.output
    resources = json.loads(told.output)["resources"]
    dispositions = Counter(entry["disposition"] for entry in resources)
    assert dispositions["key pending deletion"] == len(DataClass)
    assert dispositions.keys() == {"destroyed", "key pending deletion", "retained outside the stack"}
    retained = {entry["name"] for entry in resources if entry["disposition"] == "retained outside the stack"}
    assert retained == {"east-audit", "east-owner"}


@pytest.fixture
def audit_retention_over(administrator: Administrator) -> Iterator[None]:
    """Drop what the server keeps of the hospital for six years, as its administrator does then."""
    yield
    with administrator.autocommit() as connection:
        connection.execute(text('DROP DATABASE IF EXISTS "east-audit"'))
        connection.execute(text('DROP ROLE IF EXISTS "east-owner"'))


@pytest.mark.usefixtures("audit_retention_over")
def test_a_hospital_that_left_leaves_nothing(api: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(api)
    assert core.list_namespace(label_selector="healthcare-mlops/hospital=east").items == []
    buckets = [entry["Name"] for entry in boto3.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in buckets if "-east-" in name]
