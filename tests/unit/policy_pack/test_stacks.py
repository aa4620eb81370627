"""The program's own stacks before the pack, and the pack's commands on exported states."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.controls.rows import table
from policy_pack.engine.evaluate import Evaluator
from policy_pack.facts.zone_table import zones
from policy_pack.settings import load
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.graph import Graph
from policy_pack.stack.state import graph as from_state
from policy_pack.stack.state import read
from policy_pack.stack.wire import SECRET, SIGNATURE
from tests.policy import recorded, world
from tests.policy.builders import changed
from tests.policy.states import exported
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def dev() -> Graph:
    return recorded.unchanged("dev").graph()


@pytest.fixture(scope="module")
def prod() -> Graph:
    return recorded.unchanged("prod").graph()


def refused(graph: Graph, stack: str, *controls: str) -> list[str]:
    evaluator = Evaluator(load(), read_file(REPOSITORY / f"Pulumi.{stack}.yaml"), controls=controls or None)
    return [f"{result.control} {result.text}" for result in evaluator.evaluate_stack(graph) if result.blocks]


# What the program does already must stay done: these controls have subjects in both stacks and nothing to find.
HELD = (
    *("AC-01", "AC-02", "AC-03", "AC-04", "AC-05", "AC-06", "AC-07", "AC-10", "AC-11", "AC-12", "AC-13", "AC-16"),
    *("AUTH-02", "AUTH-03", "CM-01", "CM-02", "CM-05", "ENC-01", "ENC-02", "ENC-09"),
    *("INT-01", "INT-05", "INV-03", "ML-04", "ML-05", "SEG-01", "SEG-02", "SEG-03"),
)


@pytest.mark.parametrize("control", HELD)
def test_the_program_keeps_what_it_holds(control: str, dev: Graph, prod: Graph) -> None:
    assert refused(dev, "dev", control) == []
    assert refused(prod, "prod", control) == []


def test_the_recorded_stack_has_parents_and_dependencies(dev: Graph) -> None:
    [policy] = [r for r in dev if r.kind.endswith("BucketPolicy") and r.name == "north-raw"]
    assert any(urn.endswith("Bucket::north-raw") for urn in policy.depends["bucket"])
    assert policy.parent.endswith("DataBucket::north-raw")


def test_taking_a_flow_out_of_the_table_is_refused_on_the_program_s_stack(
    dev: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = zones()
    [flow] = [flow for flow in table.flows if flow.port and flow.source == "planner"]
    reduced = replace(table, flows=tuple(other for other in table.flows if other is not flow))
    monkeypatch.setattr("policy_pack.controls.network.zone_flows.zones", lambda: reduced)
    results = refused(Graph(dev.resources, "dev"), "dev", "SEG-02")
    assert {text.split(" -> ")[0].rpartition(" ")[2] for text in results} == {
        "north-serving/planner",
        "south-serving/planner",
    }


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_an_audit_of_what_was_just_deployed_agrees_with_the_update(stack: str, tmp_path: Path) -> None:
    recording = recorded.unchanged(stack)
    path = tmp_path / "state.json"
    path.write_text(recording.exported())
    evaluator = Evaluator(load(), read_file(REPOSITORY / f"Pulumi.{stack}.yaml"))
    updated, audited = (set(evaluator.evaluate_stack(graph)) for graph in (recording.graph(), read(path)))
    assert len(updated) > 10
    assert audited == updated


def test_resources_that_the_program_only_reads_are_not_evaluated(dev: Graph) -> None:
    [external] = [entry for entry in recorded.unchanged("dev").state if entry.get("external")]
    assert external["type"] == "kubernetes:core/v1:ConfigMap"
    assert external["urn"] not in {resource.urn for resource in dev}


# --- commands ------------------------------------------------------------------------------------
def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
def stack_file(tmp_path: Path) -> str:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(json.dumps({"config": world.CONFIG}))
    return str(path)


@pytest.fixture
def settings_file(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(world.SETTINGS_FILE))
    with world.its_table():
        yield str(path)


def written(tmp_path: Path, state: Any) -> str:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state))
    return str(path)


def test_a_compliant_deployed_stack_passes(tmp_path: Path, settings_file: str, stack_file: str) -> None:
    state = written(tmp_path, exported(list(world.resources())))
    code, output = run("check", "--state", state, "--settings", settings_file, "--stack-config", stack_file, "--json")
    answer = json.loads(output)
    assert (code, answer["refused"], answer["counts"]["refused"]) == (0, False, 0)
    assert answer["resources"] == len(world.resources())


def test_a_deployed_stack_that_drifted_is_refused(tmp_path: Path, settings_file: str, stack_file: str) -> None:
    target = next(r for r in world.resources() if r.kind.endswith("BucketPublicAccessBlock"))
    drifted = [changed(r, "blockPublicAcls", False) if r is target else r for r in world.resources()]
    state = written(tmp_path, exported(drifted))
    code, output = run("check", "--state", state, "--settings", settings_file, "--stack-config", stack_file, "--json")
    [results] = [result for result in json.loads(output)["results"] if result["status"] == "refused"]
    assert code == 1
    assert (results["control"], results["name"], results["path"]) == ("AC-05", target.name, "blockPublicAcls")
    code, output = run("check", "--state", state, "--settings", settings_file, "--stack-config", stack_file)
    assert code == 1
    assert "AC-05" in output
    assert "1 refused" in output


def test_resources_pending_deletion_are_not_evaluated(tmp_path: Path, settings_file: str, stack_file: str) -> None:
    state = exported(list(world.resources()))
    gone = {"urn": "urn:pulumi:prod::x::aws:iam/user:User::x", "type": "aws:iam/user:User", "delete": True}
    state["deployment"]["resources"].append(gone)
    assert (
        run("check", "--state", written(tmp_path, state), "--settings", settings_file, "--stack-config", stack_file)[0]
        == 0
    )


def test_an_encrypted_secret_is_a_secret() -> None:
    entry = {
        "urn": "urn:pulumi:p::x::t::n",
        "type": "t",
        "inputs": {"password": {SIGNATURE: SECRET, "ciphertext": "x"}},
    }
    [resource] = from_state([entry]).resources
    assert resource.secrets == {"password"}
    assert not resource.at("password").known


@pytest.mark.parametrize("content", ["{}", "no json", '{"deployment": {"resources": [{}]}}', "[]"])
def test_an_invalid_state_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    code, output = run("check", "--state", str(path))
    assert code == 2
    assert output.startswith("error: ")
    assert "pulumi stack export" in output or "export the stack again" in output
    assert "Traceback" not in output


def test_a_missing_state_is_refused(tmp_path: Path) -> None:
    assert run("check", "--state", str(tmp_path / "none.json"))[0] == 2


def test_controls_are_listed_with_paragraphs() -> None:
    code, output = run("controls", "--json")
    rows = {row["id"]: row for row in json.loads(output)["controls"]}
    assert code == 0
    assert rows.keys() == table().rows.keys()
    assert rows["AC-17"]["citation"] == "45 CFR 164.308(a)(5)(ii)(C); 164.312(a)(2)(v) (proposed, unverified)"
    assert rows["VM-02"]["proposed"] == ["164.312(h)(2)(iii) (proposed)", "164.308(a)(14) (proposed, unverified)"]
    assert rows["VM-02"]["not_in_stack"].startswith("declared only")


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    state = written(tmp_path, exported(list(world.resources())))
    assert run("check", "--state", state, "--json") == run("check", "--state", state, "--json")
