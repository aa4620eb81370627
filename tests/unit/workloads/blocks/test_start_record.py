"""Who deployed, and which policies: what the program gives the services that record their start."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError
from services.audit.configuration import Deployment
from tests.support.repository import REPOSITORY
from tests.support.stack.mocked_stack import Stack, declare, settings
from workloads.blocks.start_record import deployed_by, policies, policy_tables

RECORDING = {"planner", "care", "gateway-recorder"}
DEPLOYER = "arn:aws:iam::123456789012:role/deployer"


def named(written: dict[str, Any]) -> None:
    written["deployer"] = DEPLOYER


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), named))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for line in policy_tables().splitlines():
        name = line.split("  ")[1]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def environments(stack: Stack) -> dict[str, dict[str, str]]:
    """Return the variables of the Deployments of north, by name."""
    found = {}
    for one in stack.of("Deployment"):
        if one.inputs["metadata"]["namespace"].startswith("north-"):
            [container] = one.inputs["spec"]["template"]["spec"]["containers"]
            found[one.metadata["name"]] = {entry["name"]: entry["value"] for entry in container["env"]}
    return found


def test_services_that_record_their_start_know_who_deploys(stack: Stack) -> None:
    found = {name: Deployment.from_environment(variables) for name, variables in environments(stack).items()}
    assert {name for name, deployment in found.items() if deployment.by} == RECORDING
    assert {found[name].by for name in RECORDING} == {DEPLOYER}


def test_planning_alone_records_the_policies(stack: Stack) -> None:
    found = {name: Deployment.from_environment(variables).policies for name, variables in environments(stack).items()}
    assert {name: digest for name, digest in found.items() if digest} == {"planner": policies()["POLICIES_DIGEST"]}


def test_the_tables_that_decide_are_in_the_digest() -> None:
    names = {line.split("  ")[1] for line in policy_tables().splitlines()}
    tables = {"settings.yaml", "access.yaml", "exposure.yaml", "services.yaml", "controls/controls.yaml"}
    assert {f"policy_pack/{name}" for name in tables} < names
    others = {"workloads/zones.yaml", "workloads/admission/admission.yaml", "workloads/serving/routes.yaml"}
    assert {name for name in names if name.startswith("workloads/")} == others
    assert not [name for name in names if name.startswith("policy_pack/evidence/")]


def test_the_digest_is_of_lines_as_sha256sum_prints_them(root: Path) -> None:
    lines = policy_tables(root).splitlines()
    assert lines == sorted(lines, key=lambda line: line.split("  ")[1])
    for line in lines:
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((root / name).read_bytes()).hexdigest()
    assert policies(root) == policies()


def test_each_changed_added_or_removed_table_changes_the_digest(root: Path) -> None:
    digests = {policies(root)["POLICIES_DIGEST"]}
    names = [line.split("  ")[1] for line in policy_tables(root).splitlines()]
    for name in names:
        (root / name).write_text((root / name).read_text() + "# reviewed\n")
        digests.add(policies(root)["POLICIES_DIGEST"])
    (root / "policy_pack/more.yaml").write_text("{}\n")
    digests.add(policies(root)["POLICIES_DIGEST"])
    (root / "policy_pack/access.yaml").unlink()
    digests.add(policies(root)["POLICIES_DIGEST"])
    assert len(digests) == len(names) + 3


def test_code_of_the_pack_is_not_in_the_digest(root: Path) -> None:
    before = policies(root)
    (root / "policy_pack/command.py").write_text("")
    (root / "policy_pack/evidence").mkdir()
    (root / "policy_pack/evidence/risks.yaml").write_text("[]\n")
    assert policies(root) == before


def test_a_checkout_without_the_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="complete checkout"):
        policies(tmp_path)


@pytest.mark.parametrize("name", ["a=b", "a,b", "a" * 200])
def test_a_deployer_that_no_record_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    def odd(written: dict[str, Any]) -> None:
        written["deployer"] = f"arn:aws:iam::123456789012:role/{name}"

    with pytest.raises(SettingsError, match=re.escape(name)):
        deployed_by(settings("dev", tmp_path, odd))


@pytest.mark.parametrize("name", ["deployer", "team/a.b+c@d_e-f", "a" * 150])
def test_what_the_program_gives_is_what_a_record_holds(tmp_path: Path, name: str) -> None:
    def other(written: dict[str, Any]) -> None:
        written["deployer"] = f"arn:aws-us-gov:iam::123456789012:role/{name}"

    given = deployed_by(settings("dev", tmp_path, other))
    assert Deployment.from_environment(given).by == given["DEPLOYED_BY"]
