"""The identity store: sealed, bound to its place, written once for one input, and never answered unrecorded."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from model.cli.app import app
from model.deid.subject import Subject, secret_input
from model.errors import UserError
from model.identity_store.envelope import LocalWrapping, VaultWrapping, Wrapping, seal, unseal
from model.identity_store.reidentify import reidentify
from model.identity_store.store import Recorder, find, inside, recorder, store_file
from tests.support.model.model_world import RING
from tests.support.vault.bao_server import HOSPITAL, Bao, bao

pytestmark = pytest.mark.process

KEY = bytes(range(32))
MRN = "MRN88412267"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with bao(tmp_path_factory.mktemp("bao")) as running:
        yield running


def patient(number: int) -> tuple[dict[str, Any], Subject]:
    identity = f"patient-{number}"
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    resource = {
        "resourceType": "Patient",
        "id": identity,
        "name": [{"family": "Quackenbush"}],
        "identifier": [{"system": "urn:hospital", "value": f"{MRN}-{number}", "type": kind}, {"system": "urn:empty"}],
    }
    return resource, Subject(RING.secrets([secret_input(HOSPITAL, identity)])[0])


def stored(place: Path, wrap: Wrapping, count: int = 3, digest: str = "d1") -> str:
    """Write a store; return the pseudonym of its first patient."""
    made = Recorder(str(place), HOSPITAL, wrap)
    for number in range(count):
        made.record(*patient(number))
    made.publish(digest)
    return patient(0)[1].pseudonym("Patient", "patient-0")


def test_a_patient_is_found_again_and_nothing_is_readable(tmp_path: Path) -> None:
    pseudonym = stored(tmp_path, LocalWrapping(KEY))
    found = find(str(tmp_path), HOSPITAL, pseudonym, LocalWrapping(KEY))
    assert found is not None
    assert found.patient_id == "patient-0"
    assert found.identifiers == ({"system": "urn:hospital", "value": f"{MRN}-0", "type": "MR"},)
    assert -365 <= found.shift_days <= -1
    content = Path(store_file(str(tmp_path), HOSPITAL)).read_text()
    assert pseudonym in content
    for word in ("patient-0", MRN, "Quackenbush", "shift"):
        assert word not in content
    assert Path(store_file(str(tmp_path), HOSPITAL)).stat().st_mode & 0o077 == 0


def test_the_same_input_is_not_written_again_and_who_is_gone_is_gone(tmp_path: Path) -> None:
    file = Path(store_file(str(tmp_path), HOSPITAL))
    pseudonym = stored(tmp_path, LocalWrapping(KEY))
    before = file.read_bytes()
    stored(tmp_path, LocalWrapping(KEY))
    assert file.read_bytes() == before
    shorter = Recorder(str(tmp_path), HOSPITAL, LocalWrapping(KEY))
    assert shorter.current("d1")
    assert not shorter.current("d2")
    shorter.record(*patient(0))
    shorter.record(*patient(1))
    shorter.forget("patient-0")
    shorter.publish("d2")
    assert file.read_bytes() != before
    assert find(str(tmp_path), HOSPITAL, pseudonym, LocalWrapping(KEY)) is None
    assert len(file.read_text().splitlines()) == 2


def test_a_later_version_of_a_patient_counts(tmp_path: Path) -> None:
    made = Recorder(str(tmp_path), HOSPITAL, LocalWrapping(KEY))
    resource, subject = patient(0)
    made.record(resource, subject)
    made.record(resource | {"identifier": []}, subject)
    made.publish("d")
    found = find(str(tmp_path), HOSPITAL, subject.pseudonym("Patient", "patient-0"), LocalWrapping(KEY))
    assert found is not None
    assert found.identifiers == ()


def test_a_record_opens_only_where_it_belongs(tmp_path: Path) -> None:
    pseudonym = stored(tmp_path, LocalWrapping(KEY))
    file = Path(store_file(str(tmp_path), HOSPITAL))
    head, first, second, *_ = file.read_text().splitlines()
    swapped = json.loads(first) | {"sealed": json.loads(second)["sealed"]}
    file.write_text("\n".join([head, json.dumps(swapped)]))
    with pytest.raises(UserError, match="cannot be decrypted"):
        find(str(tmp_path), HOSPITAL, json.loads(first)["pseudonym"], LocalWrapping(KEY))
    stored(tmp_path, LocalWrapping(KEY), digest="again")
    with pytest.raises(UserError, match="cannot be decrypted"):
        find(str(tmp_path), HOSPITAL, pseudonym, LocalWrapping(bytes(32)))
    with pytest.raises(UserError, match="cannot be decrypted"):
        unseal(KEY, seal(KEY, b"x", b"north|a"), b"south|a")
    file.write_text("half a li")
    with pytest.raises(UserError, match="cannot be read"):
        find(str(tmp_path), HOSPITAL, pseudonym, LocalWrapping(KEY))


def test_vault_lets_the_ingestor_write_and_only_the_reidentifier_read(server: Bao, tmp_path: Path) -> None:
    writer = VaultWrapping(server.vault("ingestor"), f"{HOSPITAL}/transit")
    reader = VaultWrapping(server.vault("reidentifier"), f"{HOSPITAL}/transit")
    pseudonym = stored(tmp_path, writer)
    server.rotate("identity")
    found = find(str(tmp_path), HOSPITAL, pseudonym, reader)
    assert found is not None
    assert found.patient_id == "patient-0"
    with pytest.raises(UserError, match="check the policy of the role north-ingestor"):
        find(str(tmp_path), HOSPITAL, pseudonym, writer)
    with pytest.raises(UserError, match="check the policy of the role north-reidentifier"):
        reader.new()


def notes(place: Path) -> list[dict[str, str]]:
    return [json.loads(path.read_text()) for path in sorted(place.iterdir())]


def test_a_question_is_recorded_before_it_is_answered(tmp_path: Path) -> None:
    pseudonym = stored(tmp_path / "identity", LocalWrapping(KEY))
    asked = {"identity": str(tmp_path / "identity"), "hospital": HOSPITAL, "audit": str(tmp_path / "audit")}
    found = reidentify(pseudonym, **asked, reason="recall  of a\ndrug", requester="j.doe", wrap=LocalWrapping(KEY))
    assert found.patient_id == "patient-0"
    unknown = f"v1-{'0' * 40}"
    with pytest.raises(UserError, match="is not in the identity store"):
        reidentify(unknown, **asked, reason="recall", requester="j.doe", wrap=LocalWrapping(KEY))
    with pytest.raises(UserError, match="cannot be decrypted"):
        reidentify(pseudonym, **asked, reason="recall", requester="j.doe", wrap=LocalWrapping(bytes(32)))
    said = notes(tmp_path / "audit")
    assert [note["outcome"] for note in said] == ["given", "unknown", "refused"]
    assert said[0]["why"] == "recall of a drug"
    assert {note["who"] for note in said} == {"j.doe"}
    assert "patient-0" not in json.dumps(said)
    assert MRN not in json.dumps(said)


def test_no_record_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pseudonym = stored(tmp_path / "identity", LocalWrapping(KEY))
    asked = {"identity": str(tmp_path / "identity"), "hospital": HOSPITAL, "audit": str(tmp_path / "audit")}
    monkeypatch.setattr("model.identity_store.reidentify.secrets.token_hex", lambda _: "0" * 8)
    frozen = mock.Mock(now=lambda _: datetime(2026, 1, 1, tzinfo=UTC))
    monkeypatch.setattr("model.identity_store.reidentify.datetime", frozen)
    reidentify(pseudonym, **asked, reason="recall", requester="j.doe", wrap=LocalWrapping(KEY))
    with pytest.raises(UserError, match="written once; nothing was replaced"):
        reidentify(pseudonym, **asked, reason="curiosity", requester="j.doe", wrap=LocalWrapping(KEY))
    [note] = notes(tmp_path / "audit")
    assert note["why"] == "recall"
    [record] = (tmp_path / "audit").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600


def test_no_record_no_answer(tmp_path: Path) -> None:
    pseudonym = stored(tmp_path / "identity", LocalWrapping(KEY))
    (tmp_path / "audit").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="Cannot write"):
        reidentify(
            pseudonym,
            identity=str(tmp_path / "identity"),
            hospital=HOSPITAL,
            reason="recall",
            requester=None,
            audit=str(tmp_path / "audit"),
            wrap=LocalWrapping(KEY),
        )


@pytest.mark.parametrize(("pseudonym", "reason"), [("patient-0", "recall"), (f"v1-{'0' * 40}", "  ")])
def test_a_question_that_is_not_well_put_is_refused(tmp_path: Path, pseudonym: str, reason: str) -> None:
    with pytest.raises(UserError, match=r"PSEUDONYM must|--reason must"):
        reidentify(
            pseudonym,
            identity=str(tmp_path),
            hospital=HOSPITAL,
            reason=reason,
            requester=None,
            audit=None,
            wrap=LocalWrapping(KEY),
        )


def test_the_store_lies_apart(tmp_path: Path) -> None:
    out, source = str(tmp_path / "out" / "curated"), str(tmp_path / "in")
    for place in (out, f"{out}/identity", str(tmp_path / "out"), f"{source}/identity"):
        with pytest.raises(UserError, match=r"--identity must not"):
            recorder(place, HOSPITAL, tmp_path / "key", source=source, out=out)
    apart = recorder(str(tmp_path / "identity"), HOSPITAL, tmp_path / "key", source=source, out=out)
    assert not apart.current("d")
    assert inside("s3://b/tables/x", "s3://b/tables")
    assert not inside("s3://b/tables-2", "s3://b/tables")
    assert not inside("s3://b/tables", str(tmp_path))


def test_the_command_answers_one_who_may_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ROLE", raising=False)
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    pseudonym = stored(tmp_path / "identity", LocalWrapping(KEY))
    options = ["--identity", str(tmp_path / "identity"), "--hospital", HOSPITAL, "--reason", "recall", "--json"]
    options += ["--key-file", str(tmp_path / "key")]
    done = CliRunner().invoke(app, ["reidentify", pseudonym, *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["patient_id"] == "patient-0"
    apart = CliRunner().invoke(app, ["reidentify", pseudonym, *options, "--out", str(tmp_path / "answers")])
    assert apart.exit_code == 0
    assert "patient-0" not in apart.output
    answer = tmp_path / "answers" / f"{pseudonym}.json"
    assert json.loads(answer.read_text())["patient_id"] == "patient-0"
    assert answer.stat().st_mode & 0o077 == 0
    assert len(notes(tmp_path / "identity" / f"hospital={HOSPITAL}" / "audit")) == 2
