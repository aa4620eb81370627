"""The dev stack as deployed: no changes, drift, audits, updates that fail."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
import hvac
import pytest
from kubernetes import client, dynamic
from rich.console import Console
from typer.testing import CliRunner

from local.cluster import openbao
from local.errors import UserError
from local.paths import REPOSITORY, Home
from local.progress import steps_on
from local.stack import jobs
from local.stack.jobs import Run
from local.stack.settings import CONFIG
from local.stack.stack import Stack
from policy_pack.command import app
from tests.integration.support import eventually, pulumi, steps


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
