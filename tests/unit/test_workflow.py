"""The platform team's workflow: pinned, with the least rights, and with no command that the Makefile does not have."""

import re
from typing import Any

import yaml

from tests.support.repository import REPOSITORY

FILE = REPOSITORY / ".github" / "workflows" / "platform.yaml"
TEXT = FILE.read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    used = [line.strip() for line in TEXT.splitlines() if "uses:" in line]
    assert len(used) >= 4
    for line in used:
        assert re.fullmatch(r"(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_a_job_has_only_the_rights_that_it_needs() -> None:
    rights = {name: job["permissions"] for name, job in JOBS.items()}
    assert WORKFLOW["permissions"] == {}
    assert rights == {
        "check": {"contents": "read"},
        "preview": {"contents": "read", "id-token": "write", "pull-requests": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
        "audit": {"contents": "read", "id-token": "write"},
    }


def test_no_long_lived_key_is_used() -> None:
    assert set(re.findall(r"secrets\.(\w+)", TEXT)) == {"PULUMI_CONFIG_PASSPHRASE"}
    logins = [step for step in STEPS if "configure-aws-credentials" in step.get("uses", "")]
    assert logins
    assert all(set(step["with"]) == {"role-to-assume", "aws-region"} for step in logins)


def test_every_make_target_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = {name for step in STEPS for name in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert called == {"lint", "test-unit", "preview", "deploy", "audit"}
    assert called <= targets


def test_an_update_waits_for_its_environment_and_is_never_broken_off() -> None:
    deploy = JOBS["deploy"]
    assert deploy["environment"] == "${{ matrix.stack }}"
    assert deploy["concurrency"] == {"group": "deploy-${{ matrix.stack }}", "cancel-in-progress": False}
    assert deploy["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
    assert deploy["needs"] == "check"


def test_values_from_outside_never_become_part_of_a_script() -> None:
    assert not [step for step in STEPS if "${{" in step.get("run", "")]


def test_the_engine_is_of_the_version_that_is_tested_here() -> None:
    tools = (REPOSITORY / "local" / "tools" / "catalogue.py").read_text(encoding="utf-8")
    [tested] = re.findall(r'PULUMI_VERSION = "([\d.]+)"', tools)
    versions = {step["with"]["pulumi-version"] for step in STEPS if "pulumi/actions" in step.get("uses", "")}
    assert versions == {tested}
