"""The dev stack as deployed: no changes, drift, a new hospital, an update that is killed."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import hvac
import pytest
from botocore.exceptions import ClientError
from kubernetes import client, dynamic
from rich.console import Console
from sqlalchemy import text
from typer.testing import CliRunner

from infra.settings import DataClass
from local.cluster import openbao
from local.cluster.postgres import SECRET
from local.errors import UserError
from local.paths import NODE_IP, POSTGRES_PORT, REPOSITORY, Home
from local.progress import steps_on
from local.stack import jobs
from local.stack.jobs import Run
from local.stack.settings import CONFIG, STACK
from local.stack.stack import Stack
from model.io.database import DatabaseLogin, DatabaseServer
from policy_pack.command import app
from services.database import removal, setup
from services.database.administrator import Administrator
from services.database.errors import DatabaseError
from services.database.vault_login import create_role
from tests.integration.support import eventually, pulumi, steps, with_hospital


@pytest.fixture(scope="module")
def dynamic_api(api: client.ApiClient) -> Any:
    discover: Any = dynamic.DynamicClient
    return discover(api)


def state() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pulumi("stack", "export").stdout)
    return found


def test_what_is_deployed_is_what_is_declared() -> None:
    assert set(steps()) == {"same"}


def test_an_update_is_a_few_lines_and_touches_nothing_that_git_tracks(home: Home) -> None:
    def tracked() -> str:
        command = ["git", "status", "--porcelain", "--untracked-files=no"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    before, stack, seen = tracked(), Stack(home), io.StringIO()
    stack.select()
    with steps_on(Console(file=seen, width=120))() as tell:
        stack.up(tell)
    lines = seen.getvalue().splitlines()
    assert re.fullmatch(r" +\d+ s  update of dev: \d+ unchanged", lines[1])
    assert re.fullmatch(r" +\d+ s  policy pack: \d+ advisory, \d+ exempt by \d+ exemptions, none refused", lines[2])
    assert lines[3].endswith(str(stack.findings))
    assert lines[4].endswith(str(stack.log))
    assert len(lines) == 5
    assert "exempt until" in stack.log.read_text()
    assert "exempt until" in stack.findings.read_text()
    assert tracked() == before


def test_an_update_that_fails_names_its_errors_and_the_file(home: Home) -> None:
    stack, seen = Stack(home), io.StringIO()
    release = next(entry["release"] for entry in stack.hospitals() if entry["name"] == "north")
    stack.set_release("north", "v1@ffffffffffff")
    try:
        with steps_on(Console(file=seen))() as tell, pytest.raises(UserError) as refusal:
            stack.up(tell)
    finally:
        stack.set_release("north", release)
    assert "release v1@ffffffffffff of hospital north" in str(refusal.value)
    assert f"All of its output is in {stack.log}." in str(refusal.value)
    assert len(str(refusal.value).splitlines()) < 10
    assert set(steps()) == {"same"}


def test_a_fresh_clone_reads_the_same_settings(home: Home, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    (clone / ".venv").symlink_to(REPOSITORY / ".venv")
    (clone / "build").mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "build" / "images.json", clone / "build")
    subprocess.run([sys.executable, "-m", "local", "env"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run(
        ["pulumi", "--non-interactive", "config", "--json"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout
    overlay = json.loads(told)["healthcare-mlops:hospitals"]["objectValue"]
    served = {entry["name"]: (entry["release"], entry.get("ehr")) for entry in Stack(home).hospitals()}
    assert {name: (entry["release"], entry.get("ehr")) for name, entry in overlay.items()} == served


def test_the_pack_refuses_nothing_of_what_is_deployed() -> None:
    # The engine's own audit of a state, on the local backend: it runs no program and calls no provider.
    told = pulumi("policy", "analyze", "--policy-pack", "policy_pack").stdout
    assert "[advisory]" in told
    assert "[mandatory]" not in told


def test_an_audit_of_the_exported_state_refuses_nothing(tmp_path: Path) -> None:
    exported = tmp_path / "state.json"
    pulumi("stack", "export", "--file", str(exported))
    audited = CliRunner().invoke(app, ["check", "--state", str(exported), "--stack-config", str(CONFIG), "--json"])
    answer = json.loads(audited.output)
    assert [result for result in answer["results"] if result["status"] == "refused"] == []
    assert audited.exit_code == 0


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_each_hospital_serves_the_release_that_its_entry_names(home: Home, dynamic_api: Any, hospital: str) -> None:
    entry = next(entry for entry in Stack(home).hospitals() if entry["name"] == hospital)
    digest = entry["release"].partition("@")[2]
    services = dynamic_api.resources.get(api_version="serving.kserve.io/v1beta1", kind="InferenceService")
    served = services.get(name="readmission-risk-v1", namespace=f"{hospital}-serving").to_dict()
    assert served["spec"]["predictor"]["model"]["storageUri"] == (
        f"s3://hmlops-dev-{hospital}-models/readmission/v1/{digest}"
    )

    def ready() -> bool:
        status = services.get(name="readmission-risk-v1", namespace=f"{hospital}-serving").to_dict()["status"]
        return [entry["status"] for entry in status["conditions"] if entry["type"] == "Ready"] == ["True"]

    # The node may have just come back with all its pods.
    eventually(ready, 240)
    scaler: Any = client.AutoscalingV2Api(dynamic_api.client)
    limits = scaler.read_namespaced_horizontal_pod_autoscaler("readmission-risk-v1-predictor", f"{hospital}-serving")
    assert (limits.spec.min_replicas, limits.spec.max_replicas) == (1, 2)


def test_a_job_that_has_run_is_not_run_again(home: Home, api: client.ApiClient) -> None:
    found: list[Any] = client.BatchV1Api(api).list_namespaced_job("north-phi").items
    done = [str(job.metadata.name) for job in found if job.status.succeeded]
    key = next(name for name in done if name.startswith("ingest-")).removeprefix("ingest-")
    assert jobs.ensure(api, Run("north-phi", "ingest", key), tell=lambda _: None) is False


def test_no_secret_is_plain_in_the_state(home: Home) -> None:
    files = [path for path in (home.pulumi / ".pulumi").rglob("*") if path.is_file()]
    token = openbao.token_file(home).read_text().strip().encode()
    assert len(files) > 0
    assert not [path for path in files if token in path.read_bytes()]


def test_drift_is_seen_and_put_back(api: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(api)
    quota = core.list_namespaced_resource_quota("north-data").items[0]
    before = quota.spec.hard
    core.patch_namespaced_resource_quota(
        quota.metadata.name, "north-data", {"spec": {"hard": {"pods": "1"}}}, field_manager="kubectl-edit"
    )
    refreshed = pulumi("refresh", "--yes", "--skip-preview", "--diff").stdout
    assert "pods" in refreshed
    changed = steps()
    assert {urn.rpartition("::")[2] for urn in changed["update"]} == {"north-data-quota"} or len(changed["update"]) == 1
    pulumi("up", "--yes", "--skip-preview")
    assert core.read_namespaced_resource_quota(quota.metadata.name, "north-data").spec.hard == before
    assert set(steps()) == {"same"}


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


def test_a_permission_that_the_state_does_not_have_is_a_finding_of_the_audit() -> None:
    vault = hvac.Client(
        url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"], verify=os.environ["VAULT_CACERT"]
    )
    iam, role = boto3.client("iam"), "hmlops-dev-north-planner"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    vault.adapter.put("/v1/sys/policies/acl/rogue", json={"policy": 'path "north/*" { capabilities = ["update"] }'})
    iam.put_role_policy(RoleName=role, PolicyName="rogue", PolicyDocument=json.dumps(document))
    try:
        found = audited()
    finally:
        vault.adapter.delete("/v1/sys/policies/acl/rogue")
        iam.delete_role_policy(RoleName=role, PolicyName="rogue")
    assert [one["message"].partition(" is not")[0] for one in found if one["control"] == "AC-19"] == [
        f"AWS inline policy role/{role}/rogue",
        "Vault policy rogue",
    ]
    assert audited() == []


def audited() -> list[dict[str, Any]]:
    """Return what the nightly audit refuses."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "state.json")
        file.write_text(json.dumps(state()), encoding="utf-8")
        live = ("--live", "vault", "--live", "aws", "--live", "cluster")
        result = CliRunner().invoke(
            app, ["check", "--state", str(file), "--stack-config", str(CONFIG), *live, "--json"]
        )
    return [one for one in json.loads(result.stdout)["results"] if one["status"] == "refused"]
