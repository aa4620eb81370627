"""No identifier leaves the restricted zone, wherever in a resource it was written; and the search for it can fail."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from bench.leaks.canaries import CANARIES
from bench.leaks.hospital import write_hospital, write_unfit
from bench.leaks.planting import Planter, elements, turns
from bench.leaks.scanner import Scanner
from bench.support.samples import shared
from model.curated.run import ingest
from model.deid import rules
from model.deid.groups import groups
from model.errors import GateError
from model.fhir.resource_types import ACCEPTED
from model.fhir.validation import faults_of
from model.identity_store.envelope import LocalWrapping
from model.identity_store.store import Recorder
from tests.support.model.model_world import RING, bundle, write_bundle

pytestmark = pytest.mark.process

PATIENTS, FILLS = 20, 18
FILLED = 40
LEAST = groups().table.cells.least
KEY = bytes(range(32))
RuleData = dict[str, Any]


def one_of_each() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for entry in bundle()["entry"]:
        found.setdefault(entry["resource"]["resourceType"], entry["resource"])
    assert set(found) == set(ACCEPTED)
    return found


def found_in(scanner: Scanner) -> dict[str, set[str]]:
    return {kind: places for kind, places in scanner.found.items() if places}


def everything_written(folder: Path) -> str:
    """Return all that lies below a folder, names and contents, as text."""
    texts = []
    for path in sorted(folder.rglob("*")):
        texts.append(str(path))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts.append(json.dumps(table.to_pylist(), default=str))
            texts.append(str(table.schema.metadata))
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(texts)


@pytest.mark.parametrize("kind", ACCEPTED)
def test_every_element_is_filled_and_the_resource_stays_fit(kind: str) -> None:
    resource = one_of_each()[kind]
    paths: set[str] = set()
    for turn in range(turns(kind)):
        planter = Planter(CANARIES["A name"], turn)
        filled = json.loads(json.dumps(planter.fill(resource)))
        assert faults_of(filled, Counter()) == []
        paths |= planter.paths
    chosen = {element.group for element in elements(kind) if element.group and element.name in resource}
    expected = {
        element.name
        for element in elements(kind)
        if element.plain and element.name not in resource and element.group not in chosen
    }
    assert {path.split(".")[1] for path in paths if path.count(".") == 1} >= expected
    assert "text" in resource or f"{kind}.text.div" in paths
    for inside in ("meta.source", "identifier.value", "identifier.assigner.identifier.value"):
        assert f"{kind}.{inside}" in paths
    for inside in ("valueString", "valueAttachment.data", "valueHumanName.family", "valueAnnotation.text", "url"):
        assert f"{kind}.extension.{inside}" in paths
    assert f"{kind}.contained.name.family" in paths


def test_no_planted_identifier_leaves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    planted = write_hospital(tmp_path / "in", patients=PATIENTS, fills=FILLS)
    assert min(planted.strings.values()) > 300
    made = Recorder(str(tmp_path / "out" / "identity"), "north", LocalWrapping(KEY))
    done = ingest(
        str(tmp_path / "in"),
        hospital="north",
        out=str(tmp_path / "out" / "curated"),
        ring=RING,
        max_bad_share=1.0,
        identities=made,
    )
    assert done.counts["accepted"] > planted.resources / 2
    assert done.counts["refused"] > len(CANARIES)
    assert (tmp_path / "out" / "identity").is_dir()
    scanner = Scanner(CANARIES)
    scanner.scan_folder(tmp_path / "out")
    scanner.scan("printed", "".join(capfd.readouterr()).encode())
    assert found_in(scanner) == {}
    assert scanner.size > 100_000


def test_no_identifier_leaves_by_a_refusal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_unfit(tmp_path / "in")
    scanner = Scanner(CANARIES)
    with pytest.raises(GateError) as refusal:
        ingest(str(tmp_path / "in"), hospital="north", out=str(tmp_path / "out" / "curated"), ring=RING)
    scanner.scan("refusal", str(refusal.value).encode())
    scanner.scan_folder(tmp_path / "out")
    scanner.scan("printed", "".join(capfd.readouterr()).encode())
    assert found_in(scanner) == {}
    assert list((tmp_path / "out" / "quarantine").rglob("*.ndjson"))


@pytest.fixture
def loose_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[RuleData], None]], None]]:
    """Give a function that puts a changed allow list in the place of the real one."""
    table = yaml.safe_load(rules.RULES_FILE.read_text())

    def put(change: Callable[[RuleData], None]) -> None:
        change(table)
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(table))
        monkeypatch.setattr(rules, "RULES_FILE", tmp_path / "rules.yaml")
        rules.allow_list.cache_clear()

    yield put
    monkeypatch.undo()
    rules.allow_list.cache_clear()


def _any_code(table: RuleData) -> None:
    table["systems"]["rxnorm"]["pattern"] = ".*"


def _any_number(table: RuleData) -> None:
    table["largest_number"] = 1e18
    table["significant_digits"] = 15


def _any_state(table: RuleData) -> None:
    table["states"][CANARIES["A name"]] = CANARIES["A name"]


@pytest.mark.parametrize(
    ("change", "leaked"),
    [(_any_code, "A name"), (_any_number, "R other code"), (_any_state, "A name")],
)
def test_a_hole_in_the_allow_list_is_found(
    tmp_path: Path,
    loose_rules: Callable[[Callable[[RuleData], None]], None],
    change: Callable[[RuleData], None],
    leaked: str,
) -> None:
    loose_rules(change)
    found = one_of_each()
    drug, lab = found["MedicationRequest"], found["Observation"]
    drug["medicationCodeableConcept"] = {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": CANARIES["A name"]}]
    }
    lab["valueQuantity"] = {"value": int(CANARIES["R other code"]), "unit": "mg/dL"}
    lab["code"] = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
    lab.pop("component", None)
    found["Patient"]["address"] = [{"state": CANARIES["A name"]}]
    # As many patients who are alike as a cell needs, so that nothing is suppressed.
    alike = [found["Patient"] | {"id": f"alike-{number}"} for number in range(LEAST)]
    content = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in [*found.values(), *alike]],
    }
    write_bundle(tmp_path / "in" / "one.json", content)
    ingest(
        str(tmp_path / "in"),
        hospital="north",
        out=str(tmp_path / "out"),
        ring=RING,
        max_bad_share=1.0,
    )
    scanner = Scanner(CANARIES)
    scanner.scan_folder(tmp_path / "out")
    assert leaked in found_in(scanner)


def _hostile_strings() -> tuple[list[str], set[str]]:
    """Return sentences with identifiers in them, and these identifiers as people who know marked them."""
    sentences, marked = [], set()
    queries = shared("deid") / "asq-phi" / "synthetic_clinical_queries_first_525.txt"
    for block in queries.read_text().split("===QUERY===")[1:]:
        text, _, tags = block.partition("===PHI_TAGS===")
        sentences.append(" ".join(text.split()))
        marked |= {json.loads(line)["value"] for line in tags.splitlines() if line.startswith("{")}
    folder = shared("deid") / "pydeid"
    for name in ("test.csv", "test_more.csv", "basic_usage_tutorial.csv"):
        with (folder / name).open(newline="") as stream:
            sentences += [" ".join(row[-1].split()) for row in csv.reader(stream) if row]
    with (folder / "ground_truth.csv").open(newline="") as stream:
        marked |= {row["token"] for row in csv.DictReader(stream) if row["annotation"]}
    return sentences, {value for value in marked if len(value) > 4}


def test_no_marked_identifier_of_a_note_leaves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not shared("deid").is_dir():
        pytest.skip(f"the reference data is not at {shared('deid')}")
    sentences, marked = _hostile_strings()
    assert len(sentences) > 500
    assert len(marked) > 500
    seen = list(one_of_each().values())
    entries = [{"resource": seen[0]}] if seen[0]["resourceType"] == "Patient" else []
    for number, text in enumerate(sentences):
        resource = seen[number % len(seen)] | {"id": f"n{number}", "language": text, "implicitRules": text}
        div = f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'
        said = [{"url": "http://x.example/note", "valueString": text}]
        resource |= {"text": {"status": "generated", "div": div}, "extension": said, "_language": {"extension": said}}
        resource |= {"identifier": [{"value": text}], "contained": [{"resourceType": "Basic", "code": {"text": text}}]}
        entries.append({"resource": Planter(text, number).fill(resource) if number % FILLED == 0 else resource})
    content = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    write_bundle(tmp_path / "in" / "notes.json", content)
    done = ingest(
        str(tmp_path / "in"),
        hospital="north",
        out=str(tmp_path / "out"),
        ring=RING,
        max_bad_share=1.0,
    )
    assert sum(done.counts.values()) >= len(sentences)
    written = (everything_written(tmp_path / "out").replace(str(tmp_path), "") + "".join(capfd.readouterr())).lower()
    assert not {
        value for value in marked if re.search(rf"(?<![a-z0-9]){re.escape(value.lower())}(?![a-z0-9])", written)
    }
