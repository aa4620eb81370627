"""The evidence of whole stacks: complete, the same each time, without secrets, and refused in one sentence."""

import copy
import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.controls.rows import table
from policy_pack.engine.evaluate import Evaluator, Status, evaluate
from policy_pack.errors import PackError
from policy_pack.evidence import state_reader as sources
from policy_pack.evidence.control_report import ControlStatus
from policy_pack.evidence.report import Report, report
from policy_pack.evidence.risks import risk_table
from policy_pack.evidence.state_reader import StackState
from policy_pack.facts.network.connections import connections
from policy_pack.facts.network.topology import topology
from policy_pack.facts.zone_table import zones
from policy_pack.settings import load
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.graph import Graph
from policy_pack.stack.wire import SECRET, SIGNATURE
from tests.policy import recorded, world
from tests.policy.builders import build, changed
from tests.support.repository import REPOSITORY
from tests.unit.policy_pack.test_stacks import exported

CHANGED = "2026-11-03T04:05:06.789Z"
CANARY = "canary-7f3a"


def state(resources: list[Any] | None = None) -> dict[str, Any]:
    found = exported(list(resources or world.resources()))
    for entry in found["deployment"]["resources"]:
        entry |= {"created": "2026-11-01T00:00:00Z", "modified": CHANGED}
    return found


def run_evidence(
    tmp_path: Path, document: Any, name: str = "out", stack: str = "prod", *, own_table: bool = True
) -> tuple[int, str, Path]:
    (tmp_path / "settings.json").write_text(json.dumps(world.SETTINGS_FILE))
    path = tmp_path / "state.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    out = tmp_path / name
    config = tmp_path / "stack.json"
    config.write_text(json.dumps({"config": world.CONFIG}))
    arguments = ["evidence", "--stack", stack, "--out", str(out), "--state", str(path), "--stack-config", str(config)]
    with world.its_table() if own_table else nullcontext():
        result = CliRunner().invoke(app, [*arguments, "--settings", str(tmp_path / "settings.json")])
    return result.exit_code, result.output, out


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Report:
    graph = recorded.graph("dev", tmp_path_factory.mktemp("dev"))
    return report(StackState(graph, {}), load(), read_file(REPOSITORY / "Pulumi.dev.yaml"))


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


class Strict(HTMLParser):
    """Elements that are closed in order, and what loads anything."""

    VOID = ("meta", "link", "img", "br", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
            if name == "src" or tag in ("script", "link", "iframe", "object"):
                self.loads.append(f"{tag} {value}")

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path: Path) -> None:
    _, _, out = run_evidence(tmp_path, state())
    page = (out / "index.html").read_text()
    read = Strict()
    read.feed(page)
    assert read.open == []
    assert read.loads == []
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert page.count("<svg") == page.count('role="img"') == 4
    assert "@import" not in page
    assert "url(http" not in page
    text = " ".join(read.text)
    assert "No workload of one hospital has access to another hospital's data" in text
    for head in ("Data flow of hospital north", "Network map of hospital south", "7. Workflows", "9. Risk assessment"):
        assert head in text


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


def test_the_network_map_has_the_flow_graph_s_edges(dev: Report, tmp_path: Path) -> None:
    graph = recorded.graph("dev", tmp_path)
    network = topology(StackContext(graph, load(), read_file(REPOSITORY / "Pulumi.dev.yaml")), zones())
    expected = {(edge.source.label, edge.target.label, edge.ports.label) for edge in connections(network)}
    actual = {(way.source, way.target, way.ports) for way in dev.network.connections if not way.external}
    assert actual == expected
    assert ("north-serving/planner", "north-serving/model-server", "8443") in actual
    assert {(way.target, way.declared) for way in dev.network.connections if way.source == "north-phi/ingestor"} == {
        ("aws", True),
        ("dns", True),
        ("postgresql", True),
        ("vault", True),
    }
    assert dev.network.cross_hospital() == []


def test_an_undeclared_connection_is_marked(tmp_path: Path) -> None:
    graph = recorded.graph("dev", tmp_path)
    wide = {
        "metadata": {"name": "wide", "namespace": "north-phi"},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}],
        },
    }
    opened = Graph([*graph, build("kubernetes:networking.k8s.io/v1:NetworkPolicy", "wide", wide)], "dev")
    found = report(StackState(opened, {}), load(), read_file(REPOSITORY / "Pulumi.dev.yaml"))
    connections = [way for way in found.network.connections if way.target == "0.0.0.0/0"]
    assert {way.source for way in connections} == {
        "north-phi/ingestor", "north-phi/reidentifier", "north-phi/database-setup", "north-phi/database-removal",
        "north-phi/care",
    }  # fmt: skip
    assert not any(way.declared for way in connections if way.source.endswith("reidentifier"))


def test_the_program_s_data_flow_is_what_its_roles_allow(dev: Report) -> None:
    [north] = [flow for flow in dev.data_flows if flow.hospital == "north"]
    assert north.pseudonymisers == ("north-phi/care", "north-phi/ingestor")
    moves = {
        (step.source.rpartition("::")[2], step.target.rpartition("::")[2], step.operation) for step in north.movements
    }
    assert ("north-raw", "north-phi/ingestor", "read") in moves
    assert ("north-phi/ingestor", "north-curated", "write") in moves
    assert ("north-curated", "north-data/trainer", "read") in moves
    # Raw records are read by the ingestor alone, and nothing of another hospital is in the flow.
    assert {target for source, target, _ in moves if source == "north-raw"} == {"north-phi/ingestor"}
    assert not any("south" in end for move in moves for end in move)
    assert dev.cross_hospital == ()


def test_access_to_another_hospital_s_bucket_is_reported(tmp_path: Path) -> None:
    graph = recorded.graph("dev", tmp_path)
    [wide] = [r for r in graph.of("aws:iam/rolePolicy:RolePolicy") if r.name == "north-ingestor"]
    props = {**wide.props, "policy": str(wide.at("policy").text()).replace("-north-", "-south-")}
    swapped = Graph([*(r for r in graph if r is not wide), build(wide.type, wide.name, props)], "dev")
    found = report(StackState(swapped, {}), load(), None)
    assert found.cross_hospital
    assert {one.principal.namespace.partition("-")[0] for one in found.cross_hospital} == {"north"}
    assert {found.labels[one.store] for one in found.cross_hospital} <= {
        title for title in found.labels.values() if "south" in title
    }


def test_a_control_without_resources_is_not_applicable() -> None:
    lone = Graph([build("aws:s3/bucket:Bucket", "x", {"bucket": "x", "arn": "arn:aws:s3:::x"})], "prod")
    found = {control.id: control.status for control in report(StackState(lone, {}), load(), None).controls}
    assert found["ENC-03"] is ControlStatus.NOT_APPLICABLE
    assert found["ENC-01"] is ControlStatus.REFUSED


# --- bad input ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content", ["no json", "{}", '{"deployment": {"resources": []}}', '{"deployment": {"resources": [{}]}}']
)
def test_an_invalid_state_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    code, output, out = run_evidence(tmp_path, content)
    assert code == 2
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert not out.exists()


def test_another_stack_s_state_is_refused(tmp_path: Path) -> None:
    code, output, _ = run_evidence(tmp_path, state(), stack="staging")
    assert code == 2
    assert "is of stack prod and not of staging" in output


def test_an_unknown_stack_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "pulumi"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho \"error: no stack named 'nowhere' found\" >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    result = CliRunner().invoke(app, ["evidence", "--stack", "nowhere", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.output.startswith("error: pulumi cannot export stack nowhere (no stack named 'nowhere' found)")
    assert result.output.count("\n") == 1


def test_without_the_engine_a_state_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackError, match="--state"):
        sources.read("prod")


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
