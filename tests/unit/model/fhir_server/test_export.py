"""Bulk Data export from a real server: whole, incremental, and after a kill."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from model.errors import UserError
from tests.support.model.fhir_export import KEY, LATER, run, state
from tests.support.model.fhir_server import FIRST_TIME, FhirServer
from tests.support.model.fhir_server_resources import SECRET_NAME, TYPES, landed, resource
from tests.support.repository import REPOSITORY


def test_an_export_lands_whole_and_private(server: FhirServer, tmp_path: Path) -> None:
    place = tmp_path / "landing"
    done = run(server, place)
    assert (done.mode, done.resumed, done.since, done.until) == ("export", False, None, FIRST_TIME)
    assert done.resources == dict.fromkeys(TYPES, 7)
    assert landed(place) == server.everything()
    assert done.files == 15 == len(list(place.glob("*/*")))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*") if path.is_file()} == {0o600}
    [start] = [seen for seen in server.seen if seen.path.endswith("$export")]
    assert start.path == "/r4/Patient/$export"
    assert start.query == {"_type": ",".join(TYPES), "_outputFormat": "application/fhir+ndjson"}
    assert server.paths("DELETE") == ["/r4/status/1"]
    assert server.jobs == {}
    # As often as the server wants, and no pause but that.
    assert server.time.pauses == [7.0, 7.0]
    kept = state(place)
    assert (kept["run"], kept["leftover"], kept["until"]) == (None, None, FIRST_TIME)


def test_the_next_run_asks_for_changes_only(server: FhirServer, tmp_path: Path) -> None:
    run(server, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("0001/*")}
    server.resources["Observation"].append(resource("Observation", 1, version=2, updated="2025-01-10T12:00:00Z"))
    gone = {"request": {"method": "DELETE", "url": "Condition/condition-3"}}
    server.deleted = [{"resourceType": "Bundle", "id": "d", "type": "transaction", "entry": [gone]}]
    server.transaction_time = LATER
    done = run(server, tmp_path)
    assert (done.run, done.since, done.until, done.deletions) == (2, FIRST_TIME, LATER, 1)
    assert done.resources == {kind: int(kind == "Observation") for kind in TYPES}
    assert {path.name for path in tmp_path.glob("0002/*")} == {
        "Observation.00001.ndjson.gz",
        "deleted.00001.ndjson.gz",
    }
    assert {path: path.read_bytes() for path in tmp_path.glob("0001/*")} == before


def test_after_some_time_everything_comes_anew_and_replaces_what_was(server: FhirServer, tmp_path: Path) -> None:
    run(server, tmp_path)
    run(server, tmp_path)
    server.time.seconds += 15 * 86400
    del server.resources["Condition"][2]
    done = run(server, tmp_path)
    assert (done.run, done.since) == (3, None)
    assert landed(tmp_path) == server.everything()
    assert {path.parent.name for path in tmp_path.glob("*/*")} == {"0003"}


def test_what_the_server_could_not_export_is_kept_and_counted(
    server: FhirServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.errors = [{"resourceType": "OperationOutcome", "id": "e", "issue": [{"diagnostics": SECRET_NAME}]}] * 2
    done = run(server, tmp_path)
    assert done.errors == 2
    assert landed(tmp_path)["OperationOutcome/e/None"] == 2
    shown = capsys.readouterr()
    assert "its 2 reasons" in shown.err
    assert SECRET_NAME not in shown.err + shown.out


def test_a_group_is_named_in_the_path(server: FhirServer, tmp_path: Path) -> None:
    run(server, tmp_path, group="cohort-7")
    assert "/r4/Group/cohort-7/$export" in server.paths()
    with pytest.raises(UserError, match=r"another server or group; choose another --landing"):
        run(server, tmp_path)


def test_a_server_that_exports_groups_only_is_told_apart(server: FhirServer, tmp_path: Path) -> None:
    server.exports = ["Group/$export"]
    with pytest.raises(UserError, match=r"exports groups only; name the hospital's with --group"):
        run(server, tmp_path)


def test_files_may_come_compressed(server: FhirServer, tmp_path: Path) -> None:
    server.compress = True
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()


def test_a_needless_type_is_not_fetched(server: FhirServer, tmp_path: Path) -> None:
    server.manifest_change = lambda manifest: manifest["output"].append(
        {"type": "Practitioner", "url": f"{server.base}/files/1/p.ndjson", "count": 1}
    )
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()


def test_a_token_never_goes_to_another_host(server: FhirServer, tmp_path: Path) -> None:
    def elsewhere(manifest: dict[str, Any]) -> None:
        manifest["output"][1]["url"] = manifest["output"][1]["url"].replace(server.base, f"{server.elsewhere}/r4")

    server.manifest_change = elsewhere
    with pytest.raises(UserError, match=r"names https://localhost:\d+ for .*where the access token is not sent"):
        run(server, tmp_path)
    assert not [seen for seen in server.seen if seen.host == "localhost"]


def test_files_without_a_token_may_lie_on_another_host(server: FhirServer, tmp_path: Path) -> None:
    def elsewhere(manifest: dict[str, Any]) -> None:
        manifest["requiresAccessToken"] = False
        for output in manifest["output"]:
            output["url"] = output["url"].replace(server.base, f"{server.elsewhere}/r4")

    server.manifest_change = elsewhere
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()
    there = [seen for seen in server.seen if seen.host == "localhost"]
    assert len(there) == 15
    assert {seen.token for seen in there} == {None}


def test_a_redirect_to_another_host_goes_without_the_token(server: FhirServer, tmp_path: Path) -> None:
    name = "files/1/Patient-1.ndjson"

    def moved(manifest: dict[str, Any]) -> None:
        manifest["requiresAccessToken"] = False
        manifest["output"][0]["url"] = f"{server.base[:-3]}/moved?to={server.elsewhere}/r4/{name}"

    server.manifest_change = moved
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()
    assert [seen.token for seen in server.seen if seen.host == "localhost"] == [None]


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("transactionTime"),
        lambda manifest: manifest.update(transactionTime="yesterday"),
        lambda manifest: manifest.update(output="none"),
        lambda manifest: manifest["output"][0].update(count=-1),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_sentence(server: FhirServer, tmp_path: Path, change: Any) -> None:
    server.manifest_change = change
    with pytest.raises(UserError, match=r"export manifest that cannot be read; use --mode search"):
        run(server, tmp_path)


def test_a_promise_that_is_never_kept_is_refused(server: FhirServer, tmp_path: Path) -> None:
    server.manifest_change = lambda manifest: manifest["output"][0].update(count=99)
    with pytest.raises(UserError, match="sent 3 resources where its manifest promises 99"):
        run(server, tmp_path)
    assert landed(tmp_path) == {}


PROGRAM = """
import json, pathlib, sys
from model.fhir_server import land
from model.fhir_server.credentials import credentials
shown = credentials("north", file=pathlib.Path(sys.argv[3]), ca=pathlib.Path(sys.argv[4]))
land(sys.argv[1], sys.argv[2], credentials=shown)
"""


def test_a_killed_run_goes_on_where_it_was(server: FhirServer, tmp_path: Path) -> None:
    server.time.seconds = time.time()
    server.polls = []
    place = tmp_path / "landing"
    file = tmp_path / "credentials.json"
    file.touch(mode=0o600)
    written = {"auth": "smart-backend-services", "client": "north-ehr", "key": KEY.as_dict(private=True)}
    file.write_text(json.dumps(written))
    server.gate = threading.Event()
    server.gated.clear()
    command = [sys.executable, "-c", PROGRAM, server.base, str(place), str(file), str(server.folder / "ca.crt")]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    assert server.gated.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    server.gate.set()
    server.gate = None
    had = {path.name: path.stat().st_mtime_ns for path in place.glob("0001/*")}
    assert sorted(had) == [f"Patient.0000{number}.ndjson.gz" for number in (1, 2, 3)]
    asked = server.paths()
    done = run(server, place)
    assert done.resumed
    assert done.files == 15
    assert landed(place) == server.everything()
    assert {name: (place / "0001" / name).stat().st_mtime_ns for name in had} == had
    assert sum(path.endswith("$export") for path in server.paths()) == 1
    assert not [path for path in server.paths()[len(asked) :] if "Patient" in path]
    assert not list(place.rglob(".part-*"))
