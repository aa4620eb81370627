"""Paged search from a real server that has no export, and how the way is chosen."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.errors import UserError
from model.fhir.discovery import LANDING_STATE as STATE
from model.fhir_server import Landed, land
from model.fhir_server import search as searching
from model.fhir_server.capabilities import GROUP, PATIENTS, SYSTEM, exports
from model.fhir_server.credentials import Credentials
from model.fhir_server.land import Mode
from tests.support.model.fhir_server import FhirServer
from tests.support.model.fhir_server_faults import busy, changed, cut
from tests.support.model.fhir_server_resources import SECRET_NAME, TYPES, landed, resource


@pytest.fixture
def server(running: FhirServer, monkeypatch: pytest.MonkeyPatch) -> FhirServer:
    monkeypatch.setattr(searching, "RESOURCES_A_FILE", 8)
    running.reset()
    running.needs_token = False
    running.exports = []
    running.fill(21)
    return running


def run(server: FhirServer, place: Path, **options: Any) -> Landed:
    return land(server.base, str(place), credentials=Credentials(ca=server.ca), clock=server.time.clock(), **options)


def test_a_server_without_export_is_searched(server: FhirServer, tmp_path: Path) -> None:
    done = run(server, tmp_path)
    assert (done.mode, done.since, done.until) == ("search", None, "2025-01-10T00:00:00Z")
    assert done.resources == dict.fromkeys(TYPES, 21)
    assert landed(tmp_path) == server.everything()
    assert len(list(tmp_path.glob("*/Patient.*"))) == 3
    first = next(seen for seen in server.seen if seen.path == "/r4/Patient")
    assert first.query == {"_count": "500"}


def test_a_search_can_be_asked_for(server: FhirServer, tmp_path: Path) -> None:
    server.exports = ["$export"]
    assert run(server, tmp_path, mode=Mode.SEARCH).mode == "search"


def test_the_next_search_asks_for_changes_only(server: FhirServer, tmp_path: Path) -> None:
    run(server, tmp_path)
    server.resources["Patient"] += [
        resource("Patient", number, version=2, updated="2025-02-01T00:00:00Z") for number in range(5)
    ]
    seen = len(server.seen)
    done = run(server, tmp_path)
    assert done.resources == {kind: 5 * (kind == "Patient") for kind in TYPES}
    asked = [request.query for request in server.seen[seen:] if request.path == "/r4/Patient"]
    assert {query["_lastUpdated"] for query in asked} == {"ge2025-01-10T00:00:00Z"}
    assert landed(tmp_path) == server.everything()


@pytest.mark.parametrize("fault", [busy(429, "5"), busy(503), cut(), changed(lambda body: body[:-9])])
def test_a_passing_fault_of_a_page_does_no_harm(server: FhirServer, tmp_path: Path, fault: Any) -> None:
    server.fault("Condition", fault)
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()


def test_an_interrupted_search_goes_on_at_the_page_where_it_was(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Condition", *[lambda answer: answer] * 3, *[busy(503)] * 6)
    with pytest.raises(UserError, match=r"answered 503 at a page of the Condition search, 6 times"):
        run(server, tmp_path)
    assert landed(tmp_path) == {
        name: 1 for name in server.everything() if name.startswith(("Patient", "Encounter"))
    } | {f"Condition/condition-{number}/1": 1 for number in range(8)}
    had = len(server.seen)
    done = run(server, tmp_path)
    assert done.resumed
    assert landed(tmp_path) == server.everything()
    again = [seen for seen in server.seen[had:] if seen.path != "/r4/metadata"]
    assert again[0].query == {"start": "8"}
    assert {seen.path for seen in again} == {"/r4/Condition", "/r4/Observation", "/r4/MedicationRequest"}


def test_a_page_that_the_server_forgot_starts_the_search_anew(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Condition", lambda answer: answer, busy(410))
    done = run(server, tmp_path)
    assert done.run == 2
    assert landed(tmp_path) == server.everything()


def test_pages_that_shift_bring_nothing_twice(server: FhirServer, tmp_path: Path) -> None:
    def shifted(body: bytes) -> bytes:
        server.resources["Patient"].insert(0, resource("Patient", 99, updated="2025-01-02T00:00:00Z"))
        return body

    server.fault("Patient", changed(shifted))
    run(server, tmp_path)
    twice = {name: count for name, count in landed(tmp_path).items() if count > 1}
    assert twice == {}
    assert landed(tmp_path).keys() >= server.everything().keys() - {"Patient/patient-99/1"}


def test_the_next_page_is_never_fetched_from_another_host(server: FhirServer, tmp_path: Path) -> None:
    server.next_base = f"{server.elsewhere}/r4"
    with pytest.raises(UserError, match=r"names https://localhost:\d+ for a page of the Patient search"):
        run(server, tmp_path)
    assert not [seen for seen in server.seen if seen.host == "localhost"]


def test_pages_in_a_circle_are_refused(server: FhirServer, tmp_path: Path) -> None:
    def circle(body: bytes) -> bytes:
        bundle = json.loads(body)
        bundle["link"] = [{"relation": "next", "url": f"{server.base}/Patient?_count=500"}]
        return json.dumps(bundle).encode()

    server.fault("Patient", changed(circle))
    with pytest.raises(UserError, match="links the pages of Patient in a circle"):
        run(server, tmp_path)


def test_a_change_of_the_way_starts_anew(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Condition", *[busy(503)] * 6)
    with pytest.raises(UserError):
        run(server, tmp_path)
    done = run(server, tmp_path, mode=Mode.EXPORT)
    assert (done.mode, done.resumed) == ("export", False)
    assert landed(tmp_path) == server.everything()


def test_a_search_has_no_group(server: FhirServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be limited to a group"):
        run(server, tmp_path, mode=Mode.SEARCH, group="x")


def test_a_refusal_names_codes_but_no_words_and_no_address(
    server: FhirServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.fault("Patient", busy(400))
    with pytest.raises(UserError, match=r"answered 400 \(throttled\) to a page of the Patient search") as fault:
        run(server, tmp_path)
    said = str(fault.value) + caplog.text
    assert SECRET_NAME not in said
    assert "_count" not in said


@pytest.mark.parametrize(
    ("version", "said"), [("5.0.0", "does not support FHIR R4"), ("3.0.2", "does not support FHIR R4")]
)
def test_another_fhir_is_refused(server: FhirServer, tmp_path: Path, version: str, said: str) -> None:
    server.version = version
    with pytest.raises(UserError, match=said):
        run(server, tmp_path)


BULK = "http://hl7.org/fhir/uv/bulkdata"


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({}, set()),
        ({"rest": [{"operation": [{"name": "everything", "definition": "Patient-everything"}]}]}, set()),
        ({"rest": [{"operation": [{"name": "export", "definition": "x/OperationDefinition/-s-export"}]}]}, {SYSTEM}),
        ({"rest": [{"operation": [{"name": "patient-export"}, {"name": "group-export"}]}]}, {PATIENTS, GROUP}),
        ({"rest": [{"operation": [{"name": "x", "definition": f"{BULK}/OperationDefinition/export"}]}]}, {SYSTEM}),
        ({"rest": [{"resource": [{"type": "Patient", "operation": [{"name": "export"}]}]}]}, {PATIENTS}),
        ({"rest": [{"resource": [{"type": "Device", "operation": [{"name": "export"}]}]}]}, set()),
        ({"instantiates": [f"{BULK}/CapabilityStatement/bulk-data"]}, {GROUP}),
        ({"rest": [None, {"operation": "none", "resource": [7]}]}, set()),
    ],
)
def test_exports_are_found_however_they_are_declared(statement: dict[str, Any], found: set[str]) -> None:
    assert exports(statement) == found


def test_what_is_no_fhir_server_is_told_apart(server: FhirServer, tmp_path: Path) -> None:
    server.fault("/r4/metadata", changed(lambda _: b"<html>"))
    with pytest.raises(UserError, match="does not answer as a FHIR server"):
        run(server, tmp_path)


@pytest.mark.parametrize(
    "source", ["http://x.example/r4", "https://user@x.example", "https://x.example/r4?patient=7", "https://"]
)
def test_a_source_is_a_plain_base(source: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="named by its https:// base alone") as fault:
        land(source, str(tmp_path), credentials=Credentials())
    assert "patient" not in str(fault.value)


def test_a_state_that_cannot_be_read_is_one_sentence(server: FhirServer, tmp_path: Path) -> None:
    (tmp_path / STATE).write_text("{")
    with pytest.raises(UserError, match="cannot be read; choose another --landing"):
        run(server, tmp_path)
