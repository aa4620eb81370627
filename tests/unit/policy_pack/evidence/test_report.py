"""The evidence of whole stacks: complete, the same each time, without secrets, and signed."""

import copy
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.controls.rows import table
from policy_pack.engine.evaluate import Evaluator, Status, evaluate
from policy_pack.evidence.control_report import ControlStatus
from policy_pack.evidence.report import report
from policy_pack.evidence.risks import risk_table
from policy_pack.evidence.state_reader import StackState
from policy_pack.settings import load
from policy_pack.stack.graph import Graph
from policy_pack.stack.wire import SECRET, SIGNATURE
from tests.policy import world
from tests.policy.builders import build, changed
from tests.policy.states import run_evidence, state
from tests.support.repository import REPOSITORY

CANARY = "canary-7f3a"


def test_every_resource_is_in_the_inventory_once(tmp_path: Path) -> None:
    code, output, out = run_evidence(tmp_path, state())
    assert code == 0, output
    document = json.loads((out / "evidence.json").read_text())
    assert Counter(asset["urn"] for asset in document["assets"]) == Counter(r.urn for r in world.resources())
    assert {asset["changed"] for asset in document["assets"]} == {"2026-11-03T04:05:06Z"}
    assert document["last_change"] == "2026-11-03T04:05:06Z"
    [raw] = [asset for asset in document["assets"] if asset["urn"].endswith("Bucket::hmlops-prod-north-raw")]
    assert (raw["hospital"], raw["data_class"], raw["phi"], raw["owner"]) == ("north", "raw", "PHI", "platform")
    assert (raw["encryption"], raw["key"]) == ("encrypted", "north-raw")
    assert "versions" in raw["backup"]
    # What has no tags of its own is whose it belongs to.
    [blocks] = [a for a in document["assets"] if a["urn"].endswith("BucketPublicAccessBlock::hmlops-prod-north-raw")]
    assert (blocks["hospital"], blocks["data_class"]) == ("north", "raw")


def test_the_same_state_gives_the_same_bytes_under_any_hash_seed(tmp_path: Path) -> None:
    _, _, first = run_evidence(tmp_path, state(), "first", own_table=False)
    _, _, second = run_evidence(tmp_path, state(), "second", own_table=False)
    command = [sys.executable, "-m", "policy_pack", "evidence", "--stack", "prod", "--out", str(tmp_path / "third")]
    settings = {name: str(tmp_path / f"{name}.json") for name in ("state", "settings", "stack")}
    files = ["--state", settings["state"], "--settings", settings["settings"], "--stack-config", settings["stack"]]
    seeded = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run([*command, *files], check=True, cwd=REPOSITORY, env=seeded, capture_output=True)
    for name in ("index.html", "evidence.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes() == (tmp_path / "third" / name).read_bytes()


def test_the_order_of_the_state_does_not_matter(tmp_path: Path) -> None:
    _, _, first = run_evidence(tmp_path, state(), "first")
    turned = state()
    turned["deployment"]["resources"].reverse()
    _, _, second = run_evidence(tmp_path, turned, "second")
    for name in ("index.html", "evidence.json"):
        assert (first / name).read_text() == (second / name).read_text()


def test_no_secret_is_in_any_output(tmp_path: Path) -> None:
    document = state()
    resources = document["deployment"]["resources"]
    opened = {SIGNATURE: SECRET, "plaintext": json.dumps(CANARY)}
    for entry in resources:
        entry["inputs"] |= {"password": opened, "nested": {"deep": [copy.deepcopy(opened)]}}
        entry["outputs"] |= {"token": opened}
    [secret] = [entry for entry in resources if entry["type"].endswith(":Secret") and "core/v1" in entry["type"]]
    secret["outputs"] |= {"data": {"password": CANARY}, "stringData": {"password": CANARY}}
    secret["inputs"] |= {"data": {"password": CANARY}, "stringData": {"password": CANARY}}
    [login] = [entry for entry in resources if entry["urn"].endswith("ServiceAccount::north-ingestor")]
    login["outputs"]["metadata"]["annotations"] = {"note": CANARY}
    code, output, out = run_evidence(tmp_path, document)
    assert code == 0, output
    for name in ("index.html", "evidence.json"):
        assert CANARY not in (out / name).read_text()
    assert CANARY not in output


def test_the_compliant_stack_is_compliant_with_all_its_controls(tmp_path: Path) -> None:
    _, _, out = run_evidence(tmp_path, state())
    document = json.loads((out / "evidence.json").read_text())
    statuses = {control["id"]: control["status"] for control in document["controls"]}
    assert statuses.keys() == table().rows.keys()
    assert {row for row, status in statuses.items() if status == "declared only"} == {
        row.id for row in table().rows.values() if row.not_in_stack
    } - {"VM-02", "INV-04"}  # The settings have no date of a scan or a review.
    evaluation = evaluate(Evaluator(world.settings(), world.ADDRESSES), world.graph())
    assert {row for row, status in statuses.items() if status == "refused"} == {
        r.control for r in evaluation.of(Status.REFUSED)
    }
    [control] = [control for control in document["controls"] if control["id"] == "AC-05"]
    assert "8 BucketPublicAccessBlock" in control["evaluated"]
    assert control["citations"].startswith("45 CFR 164.312(a)(1)")


def test_a_violation_is_shown_with_its_open_risk(tmp_path: Path) -> None:
    target = next(r for r in world.resources() if r.kind.endswith("BucketPublicAccessBlock"))
    broken = [changed(r, "blockPublicAcls", False) if r is target else r for r in world.resources()]
    code, output, out = run_evidence(tmp_path, state(broken))
    assert code == 0, output
    document = json.loads((out / "evidence.json").read_text())
    [control] = [control for control in document["controls"] if control["id"] == "AC-05"]
    assert control["status"] == "refused"
    assert control["findings"][0]["resource"] == target.name
    [risk] = [risk for risk in document["risks"] if "AC-05" in risk["open"]]
    assert risk["treatment"].startswith("Open: AC-05")


def test_every_control_mitigates_a_risk() -> None:
    named = {control for risk in risk_table() for control in risk.controls}
    assert named == table().rows.keys()


def test_what_the_emulator_does_not_know_is_listed(tmp_path: Path) -> None:
    document = state()
    entry = next(e for e in document["deployment"]["resources"] if e["type"].endswith(":Addon"))
    entry["outputs"]["notEmulated"] = True
    _, _, out = run_evidence(tmp_path, document)
    assert json.loads((out / "evidence.json").read_text())["not_emulated"] == [entry["urn"]]


def test_a_control_without_resources_is_not_applicable() -> None:
    lone = Graph([build("aws:s3/bucket:Bucket", "x", {"bucket": "x", "arn": "arn:aws:s3:::x"})], "prod")
    found = {control.id: control.status for control in report(StackState(lone, {}), load(), None).controls}
    assert found["ENC-03"] is ControlStatus.NOT_APPLICABLE
    assert found["ENC-01"] is ControlStatus.REFUSED


def test_the_evidence_has_its_provenance_and_what_people_stated(tmp_path: Path) -> None:
    folder = tmp_path / "statements" / "prod"
    folder.mkdir(parents=True)
    (folder / "incidents.yaml").write_text("stated: {by: A. Example, date: 2026-11-20}\nentries: []")
    _, _, out = run_evidence(tmp_path, state())
    document = json.loads((out / "evidence.json").read_text())
    provenance = document["provenance"]
    assert provenance["date"] == str(load().today)
    assert provenance["tool"] == "healthcare-mlops-hipaa 0.1.0"
    assert len(provenance["state_digest"]) == 64
    assert document["signed_by"] == ""
    text = (out / "index.html").read_text()
    assert f"As of {load().today}; computed by healthcare-mlops-hipaa 0.1.0" in text
    assert "These files are not signed." in text
    assert "stated by A. Example on 2026-11-20 (incidents.yaml)" in text
    assert "north: not stated" in text
    assert "Not stated: there is no restore-drills.yaml." in text


def test_signed_evidence_of_a_period_is_verified_by_the_pack(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub").write_bytes(public)
    (tmp_path / "state.json").write_text(json.dumps(state()))
    out = tmp_path / "out"
    arguments = ["evidence", "--stack", "prod", "--out", str(out), "--state", str(tmp_path / "state.json")]
    more = ["--since", "2026-11-02", "--sign-key", str(tmp_path / "key.pem")]
    written = CliRunner().invoke(app, [*arguments, *more])
    assert written.exit_code == 0, written.output
    provenance = json.loads((out / "evidence.json").read_text())["provenance"]
    assert (provenance["since"], provenance["changed"]) == ("2026-11-02", len(world.resources()))
    verify = ["verify", "--out", str(out), "--key", str(tmp_path / "key.pub")]
    assert CliRunner().invoke(app, verify).exit_code == 0
    (out / "index.html").write_text("other")
    refused = CliRunner().invoke(app, verify)
    assert refused.exit_code == 2
    assert "index.html was changed after the evidence was written" in refused.output
