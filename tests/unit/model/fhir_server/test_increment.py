"""Increments of servers that honour the moment since which changes are asked for, and of those that ignore it."""

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import UserError
from model.fhir.discovery import LANDING_STATE as STATE
from model.fhir_server import Landed, land
from model.fhir_server.credentials import Credentials
from model.fhir_server.increment import MOST_REPEATED, repeated
from model.fhir_server.land import Mode
from tests.support.model.fhir_server import FhirServer
from tests.support.model.fhir_server_faults import busy
from tests.support.model.fhir_server_resources import TYPES, landed, resource
from tests.support.model.model_command import call

pytestmark = pytest.mark.process

DAY = 86400
START = datetime(2025, 1, 10, tzinfo=UTC)
PATIENTS, SYSTEM = "Patient/$export", "$export"


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.reset()
    running.needs_token = False
    running.polls = []
    running.fill(10)
    return running


def run(server: FhirServer, place: Path, **options: Any) -> Landed:
    return land(server.base, str(place), credentials=Credentials(ca=server.ca), clock=server.time.clock(), **options)


def started(server: FhirServer) -> list[str]:
    """Return the export operations that were started, in order."""
    return [path.removeprefix("/r4/") for path in server.paths() if path.endswith("$export")]


def next_day(server: FhirServer, day: int) -> None:
    """Let a day pass in which one observation is corrected."""
    moment = START + timedelta(days=day)
    server.time.seconds += DAY
    server.transaction_time = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    changed = f"{moment - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
    found = server.resources["Observation"]
    found[day % 10] = resource("Observation", day % 10, version=day + 1, updated=changed)


def test_an_increment_takes_the_export_of_the_system_where_both_are_declared(
    server: FhirServer, tmp_path: Path
) -> None:
    server.ignores_since = {PATIENTS}
    run(server, tmp_path)
    next_day(server, 1)
    done = run(server, tmp_path)
    assert started(server) == [PATIENTS, SYSTEM]
    assert done.resources == {kind: int(kind == "Observation") for kind in TYPES}


def test_an_increment_takes_the_export_of_patients_where_the_other_is_refused(
    server: FhirServer, tmp_path: Path
) -> None:
    run(server, tmp_path)
    next_day(server, 1)
    server.fault("$export", busy(403))
    done = run(server, tmp_path)
    assert started(server) == [PATIENTS, SYSTEM, PATIENTS]
    assert sum(done.resources.values()) == 1


IGNORING = {
    "patients alone": (Mode.EXPORT, [PATIENTS], {PATIENTS}),
    "both": (Mode.EXPORT, [PATIENTS, SYSTEM], {PATIENTS, SYSTEM}),
    "search": (Mode.SEARCH, [], set(TYPES)),
}


@pytest.mark.parametrize("case", IGNORING)
def test_a_server_that_ignores_the_moment_does_not_fill_the_landing_place(
    server: FhirServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    mode, server.exports, server.ignores_since = IGNORING[case]
    files = run(server, tmp_path, mode=mode).files
    capsys.readouterr()
    for day in range(1, 15):
        next_day(server, day)
        done = run(server, tmp_path, mode=mode)
        assert landed(tmp_path) == server.everything()
        assert done.since is None
        assert len(list(tmp_path.glob("*/*"))) == done.files == files
        assert ("ignores the moment" in capsys.readouterr().err) == (day == 1)
    if mode is Mode.EXPORT:
        # What came older than asked was given up, and never asked for again.
        assert len(started(server)) == 1 + 14 + 1
        assert server.jobs == {}


def test_the_moment_is_tried_again_after_the_days_of_a_full_run(server: FhirServer, tmp_path: Path) -> None:
    server.exports, server.ignores_since = [PATIENTS], {PATIENTS}
    run(server, tmp_path)
    next_day(server, 1)
    run(server, tmp_path)
    server.ignores_since = set()
    for day in range(2, 15):
        next_day(server, day)
        assert run(server, tmp_path).since is None
    next_day(server, 15)
    done = run(server, tmp_path)
    assert (done.since, sum(done.resources.values())) == ("2025-01-24T00:00:00Z", 1)


@pytest.mark.parametrize(("older", "everything_again"), [(2, False), (3, True)])
def test_a_few_older_resources_are_taken_as_they_are(
    server: FhirServer, tmp_path: Path, older: int, everything_again: bool
) -> None:
    # A group's new member brings a record of long ago; 5 % of 50 resources are 2.5.
    run(server, tmp_path)
    next_day(server, 1)
    kept = dict(server.resources)
    server.ignores_since = {SYSTEM}
    server.resources = {kind: [] for kind in TYPES} | {
        "Condition": [resource("Condition", 70 + n) for n in range(older)]
    }
    if everything_again:
        server.resources = kept | {"Condition": kept["Condition"] + server.resources["Condition"]}
    done = run(server, tmp_path)
    assert (done.since is None) == everything_again
    assert {f"Condition/condition-{70 + n}/1" for n in range(older)} <= set(landed(tmp_path))
    assert set(landed(tmp_path).values()) == {1}


def test_resources_without_a_date_count_as_older(server: FhirServer, tmp_path: Path) -> None:
    server.ignores_since = {PATIENTS, SYSTEM}
    for found in server.resources.values():
        for one in found:
            del one["meta"]["lastUpdated"]
    run(server, tmp_path)
    for _ in range(5):
        server.time.seconds += DAY
        run(server, tmp_path)
        assert landed(tmp_path) == server.everything()


def test_a_landing_place_of_an_earlier_version_is_read(server: FhirServer, tmp_path: Path) -> None:
    run(server, tmp_path)
    state = json.loads((tmp_path / STATE).read_text())
    for name in ("full_resources", "since_ignored_at"):
        del state[name]
    (tmp_path / STATE).write_text(json.dumps(state))
    next_day(server, 1)
    assert sum(run(server, tmp_path).resources.values()) == 1


def test_how_deletions_come_to_light_is_said(server: FhirServer, tmp_path: Path) -> None:
    assert run(server, tmp_path).deletions_found == ("everything was fetched; what the server no longer has is removed")
    full = datetime.fromtimestamp(server.time.seconds, UTC).date()
    for mode in (Mode.EXPORT, Mode.SEARCH):
        server.time.seconds += DAY
        found = run(server, tmp_path, mode=mode).deletions_found
        assert found == f"not listed by the server; found at the next full run on {full + timedelta(days=14)}"
    entry = {"request": {"method": "DELETE", "url": "Condition/condition-1"}}
    server.deleted = [{"resourceType": "Bundle", "type": "transaction", "entry": [entry]}]
    assert run(server, tmp_path, mode=Mode.EXPORT).deletions_found == "listed by the server"


def test_the_command_says_how_deletions_come_to_light(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key, ca = str(tmp_path / "key"), str(server.folder / "ca.crt")
    words = ("--hospital", "north", "--out", str(tmp_path / "curated"), "--key-file", key, "--ca", ca)
    assert call(monkeypatch, "ingest", server.base, *words) == 0
    capsys.readouterr()
    assert call(monkeypatch, "ingest", server.base, *words) == 0
    said = "not listed by the server; found at the next full run on "
    assert f"(export 2; deletions: {said}" in capsys.readouterr().out
    assert call(monkeypatch, "ingest", server.base, *words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["landed"]["deletions_found"].startswith(said)


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_a_server_without_tls_is_refused_by_name_of_the_scheme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    words = ("--hospital", "north", "--out", str(tmp_path / "curated"), "--key-file", str(tmp_path / "key"))
    assert call(monkeypatch, "ingest", f"{scheme}://fhir.north.example/r4", *words) == 2
    assert "ingest reads a FHIR server over https:// only" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "curated").exists()


def test_an_unknown_group_is_named(server: FhirServer, tmp_path: Path) -> None:
    server.groups = {"cohort-7"}
    with pytest.raises(
        UserError, match=r"404 \(not-found\) .*; check --group: there is no Group cohort-8 that"
    ) as said:
        run(server, tmp_path, group="cohort-8")
    assert "base address" not in str(said.value)
    assert run(server, tmp_path, group="cohort-7").resources == dict.fromkeys(TYPES, 10)


def test_a_declared_export_that_is_missing_is_not_a_wrong_address(server: FhirServer, tmp_path: Path) -> None:
    server.fault("$export", busy(404))
    with pytest.raises(UserError, match=r"answered 404 .* to the start of an export; use --mode search\.$"):
        run(server, tmp_path)


def test_a_type_that_cannot_be_searched_is_named(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Condition", busy(404))
    with pytest.raises(UserError, match=r"does not offer a search of Condition \(404\)"):
        run(server, tmp_path, mode=Mode.SEARCH)


@pytest.mark.parametrize("options", [{}, {"group": "empty"}, {"mode": Mode.SEARCH}])
def test_a_full_run_without_a_record_removes_nothing(
    server: FhirServer, tmp_path: Path, options: dict[str, Any]
) -> None:
    run(server, tmp_path, **options)
    had = landed(tmp_path)
    server.resources = {kind: [] for kind in TYPES}
    server.time.seconds += 15 * DAY
    words = "of the Group empty for this client" if "group" in options else "for this client"
    with pytest.raises(UserError, match=rf"has no Patient, Encounter, .*{words}; check what the hospital lets it read"):
        run(server, tmp_path, **options)
    assert landed(tmp_path) == had


INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)).map(lambda found: found.replace(microsecond=0))
ZONES = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
LINES = st.lists(st.tuples(st.integers(-3, 3), ZONES, st.sampled_from(["", ".000", ".000001", "absent", "garbled"])))


@settings(max_examples=50)
@given(INSTANTS, ZONES, LINES)
def test_what_is_older_than_asked_is_counted_in_every_zone_and_precision(
    tmp_path_factory: pytest.TempPathFactory, asked: datetime, zone: timezone, lines: list[Any]
) -> None:
    def text(seconds: int, zone: timezone, fraction: str) -> str:
        moment = (asked.replace(tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone)
        offset = moment.strftime("%z")
        return f"{moment.strftime('%Y-%m-%dT%H:%M:%S').zfill(19)}{fraction}{offset[:3]}:{offset[3:]}"

    path = tmp_path_factory.mktemp("lines") / "file.gz"
    written, older = [], 0
    for seconds, there, form in lines:
        meta: dict[str, Any] = {"versionId": "1"}
        if form == "garbled":
            meta["lastUpdated"] = 7
        elif form != "absent":
            meta["lastUpdated"] = text(seconds, there, form)
        older += form in ("absent", "garbled") or seconds < 0
        written.append(json.dumps({"resourceType": "Patient", "meta": meta}))
    path.write_bytes(gzip.compress("\n".join(written).encode()))
    assert repeated(path, text(0, zone, "")) == older


DECLARED = st.sampled_from([(PATIENTS, SYSTEM), (PATIENTS,), (SYSTEM,), ()])
IGNORED = st.sets(st.sampled_from([PATIENTS, SYSTEM, *TYPES]))
CHANGES = st.lists(st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 9)), max_size=4), min_size=1, max_size=3)


@settings(max_examples=50, deadline=None)
@given(DECLARED, IGNORED, CHANGES, st.integers(0, 3))
def test_whatever_a_server_ignores_the_newest_versions_are_there_about_once(
    running: FhirServer,
    tmp_path_factory: pytest.TempPathFactory,
    declared: tuple[str, ...],
    ignored: set[str],
    changes: list[list[tuple[str, int]]],
    full_days: int,
) -> None:
    running.reset()
    running.needs_token, running.polls = False, []
    running.per_file = running.page = 20
    running.exports, running.ignores_since = list(declared), ignored
    running.fill(10)
    place = tmp_path_factory.mktemp("landing")
    run(running, place, full_days=full_days)
    later = 0
    for day, changed in enumerate(changes, 1):
        moment = START + timedelta(days=day)
        running.time.seconds += DAY
        running.transaction_time = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        for kind, number in changed:
            updated = f"{moment - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
            running.resources[kind][number] = resource(kind, number, version=day + 1, updated=updated)
        done = run(running, place, full_days=full_days)
        # Searches go back to the same moment each time, for the server's clock stands still.
        found, brought = landed(place), sum(done.resources.values())
        later = 0 if done.since is None else later + brought
        assert set(running.everything()) <= set(found)
        assert sum(found.values()) == 50 + later
        since_the_first = {one for day_changes in changes[:day] for one in day_changes}
        assert brought == 50 if done.since is None else brought <= len(since_the_first) + MOST_REPEATED * 50
