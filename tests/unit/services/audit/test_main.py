"""The commands, on a real database and a bucket: what a person reads, what a program reads, and the exit codes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from model.release.signing import LocalSigner
from model.scoring import Scorer
from services.audit import output, replay
from services.audit.errors import AuditError
from services.audit.records import ReleaseRef, feature_bytes
from tests.support.audit.audit_commands import Commands
from tests.support.audit.audit_records import ENCOUNTER, PATIENT, entry, features, scored
from tests.unit.model.scoring.test_scorer import discharges, fitted

LONG_AGO = "2020-01-01"
RELEASE = ReleaseRef(model="m", version="v1", digest="0" * 64, threshold=0.2)


@pytest.mark.process
def test_a_chain_is_anchored_and_verified(commands: Commands) -> None:
    hospital = commands.database.hospital
    commands.append(entry(hospital), entry(hospital, scores=(scored(),)), values=features())
    assert commands.run("anchor", "--once", "--key-file", commands.key)[0] == 0
    code, out, _ = commands.run("verify", "--key-file", commands.key)
    assert (code, out) == (0, "The chain is intact. Records: 2; anchors: 1; anchored to record 2.\n")
    [public] = LocalSigner(Path(commands.key)).public_keys().values()
    commands.patch.setenv("AUDIT_TRUSTED_KEYS", public)
    report = commands.json("verify")
    assert (report["intact"], report["records"], report["anchored"], report["faults"]) == (True, 2, 2, [])


@pytest.mark.process
def test_a_tampered_chain_fails_with_the_record(commands: Commands) -> None:
    commands.append(*(entry(commands.database.hospital) for _ in range(3)))
    commands.run("anchor", "--once", "--key-file", commands.key)
    with commands.database.administrator() as connection:
        connection.execute(text("ALTER TABLE audit.records DISABLE TRIGGER ALL"))
        connection.execute(text("UPDATE audit.records SET login = 'another' WHERE sequence = 2"))
    code, out, _ = commands.run("verify", "--key-file", commands.key)
    assert code == 1
    assert out.splitlines() == [
        "Record 2 was changed: its hash does not match its content.",
        "The chain has faults: 1. Records: 3; anchors: 1; anchored to record 3.",
    ]
    code, out, _ = commands.run("verify", "--key-file", commands.key, "--json")
    assert (code, json.loads(out)["faults"][0]["sequence"]) == (1, 2)


@pytest.mark.process
def test_a_score_is_replayed_and_then_erased(commands: Commands) -> None:
    _, scorer = fitted("linear")
    row = {name: float(value) for name, value in zip(scorer.names, discharges()[0][1], strict=True)}
    [score] = scorer.score(scorer.matrix({name: [value] for name, value in row.items()}))
    made = entry(commands.database.hospital, release=RELEASE, scores=(scored(risk=score.risk),))
    commands.append(made, values=feature_bytes(dict(row)))
    asked: list[str] = []

    def opened(place: str, *_: object) -> Scorer:
        asked.append(place)
        return scorer

    commands.patch.setattr(replay, "open_release", opened)
    code, out, _ = commands.run("replay", "1", "--releases", "s3://models/readmission/")
    assert (code, out) == (
        0,
        f"The score of encounter {ENCOUNTER} in record 1 was rebuilt bit for bit: {score.risk!r}.\n",
    )
    assert asked == [f"s3://models/readmission/v1/{'0' * 12}"]
    erased = commands.json("erase", "--by", "user-7", "--reason", "request", "--patient", PATIENT, role="audit-eraser")
    assert erased == {"record": 2, "erased": 1}
    [item] = commands.json("replay", "1", "--releases", "s3://models/readmission")["replays"]
    assert (item["outcome"], item["rebuilt"]) == ("erased", None)
    assert "by user-7 (record 2)" in item["sentence"]


@pytest.mark.process
def test_questions_are_answered_for_people_and_programs(commands: Commands) -> None:
    hospital = commands.database.hospital
    other = ReleaseRef(model="m", version="v2", digest="1" * 64, threshold=0.2)
    commands.append(
        entry(hospital, release=RELEASE, scores=(scored(),)),
        entry(hospital, release=other, patient=PATIENT, purpose="PUBHLTH", recipient="urn:registry:7"),
        entry(hospital, encounter=ENCOUNTER, purpose="HRESCH"),
    )
    found = commands.json("changes", "--from", LONG_AGO)["changes"]
    assert [item["name"] for item in found if item["sequence"] == 2] == ["version", "digest"]
    assert "v2" in commands.run("changes", "--from", LONG_AGO)[1]
    assert commands.run("changes", "--from", LONG_AGO, "--to", "2021-01-01")[1] == "No changes.\n"
    [caller] = commands.json("access", "--from", LONG_AGO)["callers"]
    assert (caller["requests"], caller["encounters"]) == (3, 1)
    assert "TREAT 1" in commands.run("access", "--from", LONG_AGO)[1]
    [listed] = commands.json("disclosures", PATIENT)["disclosures"]
    assert (listed["recipient"], listed["records"]) == ("urn:registry:7", [2])
    assert len(commands.json("disclosures", PATIENT, "--all", "--encounter", ENCOUNTER)["disclosures"]) == 3
    lines = commands.run("events", "--from", LONG_AGO, "--about", PATIENT)[1].splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"{hospital}-1", f"{hospital}-2"]


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify"], "Set VAULT_ADDR and VAULT_ROLE"),
        (["verify", "--key-file", "/nowhere/key"], "There is no signing key at /nowhere/key"),
        (["anchor", "--once", "--key-file", "KEY", "--bucket", "s3://absent"], "absent answers NoSuchBucket"),
        (["replay", "7", "--releases", "x"], "no record 7"),
        (["changes", "--from", "Tuesday"], "Tuesday is not a time"),
        (["erase", "--by", "user-7", "--reason", "x"], "Name an encounter or a patient"),
        (["erase", "--by", "Margaret Smith", "--reason", "x"], "caller: not a value that a record can hold"),
        (["erase", "--by", "user-7", "--reason", "x", "--patient", PATIENT], "SQLSTATE 42501"),
    ],
)
def test_a_fault_is_one_sentence(commands: Commands, arguments: list[str], words: str) -> None:
    arguments = [commands.key if argument == "KEY" else argument for argument in arguments]
    code, out, err = commands.run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert "Margaret" not in err


@pytest.mark.process
def test_a_login_that_may_not_read_is_one_sentence(commands: Commands) -> None:
    code, _, err = commands.run("changes", "--from", LONG_AGO, role="audit-writer")
    assert (code, err) == (
        2,
        "error: The audit database answers SQLSTATE 42501; check the login and the server.\n",
    )
    commands.patch.setattr(type(commands.database), "login_file", lambda *_: Path("/nowhere/login.json"))
    code, _, err = commands.run("changes", "--from", LONG_AGO)
    assert code == 2
    assert "no login" in err


def test_times_are_utc_unless_they_say_otherwise() -> None:
    assert output.moment_of("2026-11-03") == datetime(2026, 11, 3, tzinfo=UTC)
    assert output.moment_of("2026-11-03T09:30:00+01:00") == datetime(2026, 11, 3, 8, 30, tzinfo=UTC)
    assert datetime.now(UTC) - output.moment_of("") < timedelta(minutes=1)
    with pytest.raises(AuditError):
        output.moment_of("03/11/2026")
