"""Faults of a server during an export: waited for, or one sentence after which a run goes on."""

from pathlib import Path

import pytest

from model.errors import UserError
from tests.support.model.fhir_export import LATER, run, state
from tests.support.model.fhir_server import FhirServer
from tests.support.model.fhir_server_faults import busy, changed, cut
from tests.support.model.fhir_server_resources import SECRET_NAME, landed

PASSING = {
    "busy with seconds": ([busy(429, "11")], [11.0]),
    "busy with a date": ([busy(503, "Thu, 09 Oct 2025 08:54:00 GMT")], None),
    "busy and silent": ([busy(503)], [2.0]),
    "again and again": ([busy(502), busy(504), busy(500)], [2.0, 4.0, 8.0]),
    "cut with a length": ([cut()], [2.0]),
    "cut without one": ([cut(framed=False)], [2.0]),
    "cut at a line's middle, closed as if whole": ([changed(lambda body: body[:-20])], [2.0]),
    "a line short": ([changed(lambda body: body[: body[:-1].rindex(b"\n") + 1])], [2.0]),
    "half a gzip stream": ([changed(lambda body: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + body)], [2.0]),
}


@pytest.mark.parametrize("case", PASSING)
def test_a_passing_fault_of_a_download_does_no_harm(server: FhirServer, tmp_path: Path, case: str) -> None:
    faults, pauses = PASSING[case]
    server.fault("Condition-2.ndjson", *faults)
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()
    made = [pause for pause in server.time.pauses if pause != 7.0]
    assert made == pauses if pauses else 0 < sum(made) < 900


@pytest.mark.parametrize("at", ["/r4/metadata", "token", "$export", "status", "forget"])
def test_a_busy_server_is_asked_again_everywhere(server: FhirServer, tmp_path: Path, at: str) -> None:
    server.fault(at, busy(503, "3"), busy(429, "4"))
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()
    assert {3.0, 4.0} <= set(server.time.pauses)


def test_a_lasting_fault_is_one_sentence_and_the_next_run_goes_on(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Condition-2.ndjson", *[cut()] * 6)
    with pytest.raises(
        UserError,
        match=r"closed the connection \(.*\) at file 0001/Condition.00002.* 6 times; run again later to continue\.$",
    ) as fault:
        run(server, tmp_path)
    assert "files" not in str(fault.value).replace("file 0001", "")
    assert not list(tmp_path.rglob(".part-*"))
    had = server.paths()
    done = run(server, tmp_path)
    assert done.resumed
    assert landed(tmp_path) == server.everything()
    again = server.paths()[len(had) :]
    assert again[0] == "/r4/status/1"
    assert not set(again[1:]) & set(had) - {"/r4/files/1/Condition-2.ndjson"}


def test_a_long_pause_is_left_to_the_user(server: FhirServer, tmp_path: Path) -> None:
    server.fault("status", busy(503, "7200"))
    with pytest.raises(UserError, match="sent Retry-After: 7200"):
        run(server, tmp_path)


def test_an_export_that_the_server_forgot_is_asked_for_anew(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Observation-1.ndjson", *[busy(503)] * 6)
    with pytest.raises(UserError):
        run(server, tmp_path)
    server.jobs.clear()
    server.transaction_time = LATER
    done = run(server, tmp_path)
    assert (done.resumed, done.run, done.until) == (False, 2, LATER)
    assert landed(tmp_path) == server.everything()


def test_an_export_that_is_always_forgotten_is_one_sentence(server: FhirServer, tmp_path: Path) -> None:
    server.fault("Patient-1.ndjson", busy(404), busy(410))
    with pytest.raises(UserError, match="expires an export or search before it is downloaded"):
        run(server, tmp_path)
    assert landed(tmp_path) == {}


def test_a_failed_export_is_cancelled_and_its_words_are_not_repeated(server: FhirServer, tmp_path: Path) -> None:
    server.fault("status", busy(500))
    with pytest.raises(UserError, match=r"failed to export \(throttled\)") as fault:
        run(server, tmp_path)
    assert SECRET_NAME not in str(fault.value)
    assert server.paths("DELETE") == ["/r4/status/1"]
    assert state(tmp_path)["run"] is None
    run(server, tmp_path)
    assert landed(tmp_path) == server.everything()


def test_an_export_that_is_never_ready_is_given_up(server: FhirServer, tmp_path: Path) -> None:
    server.polls = ["in progress"] * 100
    server.fault("status", *[busy(429, "100000")] * 100)
    with pytest.raises(UserError, match="has not finished an export in a day"):
        run(server, tmp_path)
    assert max(server.time.pauses) == 900
    assert server.paths("DELETE") == ["/r4/status/1"]
    assert state(tmp_path)["run"] is None


def test_an_interrupted_wait_cancels_the_export(server: FhirServer, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    server.time.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(server, tmp_path)
    assert server.paths("DELETE") == ["/r4/status/1"]
    assert state(tmp_path)["run"] is None


def test_an_export_that_could_not_be_ended_is_ended_next_time(server: FhirServer, tmp_path: Path) -> None:
    server.fault("forget", *[busy(503)] * 6)
    run(server, tmp_path)
    assert state(tmp_path)["leftover"].endswith("/status/1")
    run(server, tmp_path)
    assert server.paths("DELETE")[-2:] == ["/r4/status/1", "/r4/status/1"]
    assert state(tmp_path)["leftover"] is None
