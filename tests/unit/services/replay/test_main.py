"""A recorded day against a candidate, on a real database: the report, what it leaves out, and what is refused."""

import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from model.artifact.trust import TRUSTED_KEYS
from model.definitions.features import definitions
from model.evaluation.run import evaluate
from model.gates import gate_table
from model.release.publish import release
from model.release.signing import LocalSigner
from model.training.train import train
from services.audit import chain
from services.audit.__main__ import audit_connection, main
from services.audit.erasure import erase
from services.database.schemas import Schema
from services.replay.__main__ import app
from tests.support.audit.audit_records import entry
from tests.support.databases.postgres import PostgresServer
from tests.support.model.model_world import world
from tests.support.serving.model_servers import copied
from tests.support.serving.planning_world import USE, PlanningWorld, planning_world, running

pytestmark = pytest.mark.process

COMPARED, STALE, ERASED = 138, 6, 5


@dataclass(frozen=True)
class Day:
    """A hospital whose planning service answered on a day, and a candidate of other features."""

    hospital: PlanningWorld
    candidate: str

    def run(
        self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], *arguments: str, **variables: str
    ) -> tuple[int, str, str]:
        """Return exit code, output and errors of the command."""
        audit = self.hospital.databases[Schema.AUDIT]
        environment = {
            "HOSPITAL": audit.hospital,
            "AUDIT_RELEASES": str(self.hospital.place.parents[1]),
            "AUDIT_DATABASE_FILE": str(audit.login_file("audit-reader")),
            TRUSTED_KEYS: self.hospital.key,
            **audit.server.environment,
            **variables,
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        given = {"--day": self.date, "--candidate": self.candidate, "--capacity": "20"}
        options = given | dict(zip(arguments[::2], arguments[1::2], strict=True))
        words = [word for pair in options.items() for word in pair if word]
        patch.setattr("sys.argv", ["replay", *words])
        capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(app)
        streams = capture.readouterr()
        return int(ended.value.code or 0), streams.out, streams.err

    @property
    def moment(self) -> datetime:
        """When the scores were recorded."""
        return next(record.recorded_at for record in self.hospital.records() if record.entry.scores).astimezone(UTC)

    @property
    def date(self) -> str:
        return f"{self.moment:%Y-%m-%d}"

    def pseudonyms(self) -> set[str]:
        return {name for record in self.hospital.records() for name in record.entry.subjects()}


def encounter(hospital: PlanningWorld, number: int, hours: float) -> dict[str, Any]:
    row, pseudonym = hospital.rows[number % len(hospital.rows)], f"v1-{number:016x}"
    features = {name: row[name] for name in definitions().names}
    return {"encounter": pseudonym, "patient": pseudonym, "features": features, "features_as_of_hours": hours}


@pytest.fixture(scope="module")
def day(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("replay")
    run = folder / "run"
    train(
        str(world().features),
        out=run,
        profile="demonstration",
        gates=gate_table(),
        without=["stay_days", "drugs", "charlson"],
    )
    evaluate(run)
    with planning_world(postgres, folder) as hospital:
        done = release(run, version="v2", to=str(folder), signer=LocalSigner(folder / "key"))
        with running(hospital) as client:
            for start in range(0, COMPARED + ERASED, 13):
                asked = [encounter(hospital, number, 0.5) for number in range(start, start + 13)]
                assert client.post("/v1/scores", json=USE | {"encounters": asked}).status_code == 200
            # The first is asked about again, alone: it is compared once.
            client.post("/v1/scores", json=USE | {"encounters": [encounter(hospital, 0, 0.5)]}).raise_for_status()
            stale = [encounter(hospital, number, 100.0) for number in range(1000, 1000 + STALE)]
            client.post("/v1/scores", json=USE | {"encounters": stale}).raise_for_status()
        audit = hospital.databases[Schema.AUDIT]
        with audit.engine("audit-eraser").connect() as connection:
            for number in range(COMPARED, COMPARED + ERASED):
                erase(connection, entry(audit.hospital, encounter=f"v1-{number:016x}", detail="patient-request"))
        yield Day(hospital, f"v2@{Path(done.place).name}")


def test_a_recorded_day_is_compared_with_a_candidate(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    last = day.hospital.last()

    def refuse(*_: object) -> None:
        raise AssertionError("a replay calls nobody but the database")

    # The client library of PostgreSQL has sockets of its own.
    monkeypatch.setattr(socket.socket, "connect", refuse)
    file = tmp_path / "report.json"
    code, out, err = day.run(monkeypatch, capsys, "--out", str(file))
    assert (code, err) == (0, "")
    assert out.endswith(f"The whole report: {file}\n")
    report = json.loads(file.read_text())
    assert day.run(monkeypatch, capsys, "--json", "")[1] == json.dumps(report) + "\n"
    assert report["candidate"] == day.candidate
    assert report["recorded"] == [f"v1@{day.hospital.place.name}"]
    assert (report["reproduced"], report["encounters"]) == (COMPARED + 1, COMPARED)
    assert report["not_compared"] == {"erased": ERASED, "fallback": STALE}
    assert report["risks"]["mean_difference"] > 0
    assert report["risks"]["stability_index"] >= 0
    assert report["ranks"]["changed"] != 0
    assert report["workload"]["capacity"] == 20
    texts = out + file.read_text()
    assert not [name for name in day.pseudonyms() if name in texts]
    assert day.date not in texts
    assert f"{COMPARED + 1} rebuilt bit for bit" in out
    assert "5 values erased, 6 ranked by LACE" in out
    assert day.hospital.last() == last


def test_the_release_that_answered_changes_nothing(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"v1@{day.hospital.place.name}"
    code, out, _ = day.run(monkeypatch, capsys, "--candidate", name, "--json", "")
    report = json.loads(out)
    assert (code, report["risks"]["mean_recorded"]) == (0, pytest.approx(report["risks"]["mean_candidate"]))
    assert report["ranks"]["correlation"] == pytest.approx(1)
    assert report["workload"]["replaced"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--day", "2020-01-01"], "Fewer than 5 encounters of this day can be compared"),
        (["--candidate", "v3@0123456789ab"], "is not a release"),
        (["--candidate", "v2"], "not named by version and digest"),
        (["--time-zone", "Mars/Olympus"], "Mars/Olympus is not a time zone"),
        (["--out", "/nowhere/report.json"], "/nowhere/report.json cannot be written (No such file or directory)"),
    ],
)
def test_a_fault_is_one_sentence(
    day: Day,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    code, out, err = day.run(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_day_begins_in_the_time_zone_of_the_hospital(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Kiritimati is 14 hours ahead, Pago Pago 11 behind: the scores are of one of the three days in each.
    for zone, ahead in (("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)):
        local = day.moment + timedelta(hours=ahead)
        for number in (-1, 0, 1):
            name = f"{local + timedelta(days=number):%Y-%m-%d}"
            code, *_ = day.run(monkeypatch, capsys, "--day", name, "--json", "", HMLOPS_TIME_ZONE=zone)
            assert code == (0 if number == 0 else 2), (zone, number)


def test_a_candidate_that_is_not_trusted_reads_no_values(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = LocalSigner(tmp_path / "key").public_keys()["v1"]
    for keys, words in ((other, "signed by a key that is not trusted"), ("", "no release can be trusted")):
        variables = {TRUSTED_KEYS: keys, "AUDIT_DATABASE_FILE": "/nowhere"}
        code, out, err = day.run(monkeypatch, capsys, **variables)
        assert (code, out) == (2, "")
        assert words in err
    place = copied(day.hospital.place.parents[1] / day.candidate.replace("@", "/"), tmp_path / "changed")
    for file in (place / "policy.json", place / "compiled.json"):
        file.write_bytes(file.read_bytes() + b" ")
        code, _, err = day.run(monkeypatch, capsys, AUDIT_RELEASES=str(tmp_path / "changed"))
        assert (code, "changed" in err) == (2, True)


def test_a_release_that_answered_and_is_gone_is_refused(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = copied(day.hospital.place.parents[1] / day.candidate.replace("@", "/"), tmp_path / "fewer")
    shutil.rmtree(place.parents[1] / "v1")
    code, out, err = day.run(monkeypatch, capsys, AUDIT_RELEASES=str(tmp_path / "fewer"))
    assert (code, out) == (2, "")
    assert "A release that answered cannot be opened, so nothing is compared" in err


def test_scores_that_are_not_rebuilt_bit_for_bit_are_refused(
    day: Day, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = day.hospital.databases[Schema.AUDIT]
    # The last test that reads the day: what is appended here stays.
    with day.hospital.reader.connect() as connection:
        kept = [values.content for values in chain.feature_values(connection, 1, day.hospital.last()).values()]
    # A record of the same release with another risk than it gives.
    scored = next(record.entry for record in day.hospital.records() if record.entry.scores)
    score = replace(scored.scores[0], risk=0.123456, features_digest=None, encounter="v1-" + "e" * 16)
    made = replace(scored, scores=(score,))
    with audit.engine("audit-writer").connect() as connection:
        record = chain.append(connection, made, kept[:1])
    code, out, err = day.run(monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert f"1 of {COMPARED + 2} scores are not rebuilt bit for bit" in err
    assert f"python -m services.audit replay {record.sequence}" in err


def test_the_connection_of_a_replay_writes_nothing(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = day.hospital.databases[Schema.AUDIT]
    for name, value in audit.server.environment.items():
        monkeypatch.setenv(name, value)
    # Even with a login that may write.
    monkeypatch.setenv("AUDIT_DATABASE_FILE", str(audit.login_file("audit-writer")))
    with (
        audit_connection(audit.hospital, "REPEATABLE READ", read_only=True) as connection,
        pytest.raises(DBAPIError, match="read-only transaction"),
    ):
        connection.execute(text("INSERT INTO audit.records (entry) VALUES ('{}')"))
