"""What programs outside need to call a gateway: files that only their owner reads, and no secret in what is printed."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from local.errors import UserError
from local.hospitals import callers, pipeline, population
from local.hospitals.application import Application
from local.hospitals.ehr_client import EhrClient
from local.hospitals.program_client import ProgramClient
from local.paths import Home
from tests.support.stack.file_stack import file_stack

ENTRIES: list[dict[str, Any]] = [{"name": "north", "applications": ["planner"]}, {"name": "south"}]
TOKEN = "the access token"


def patient(name: str, status: str) -> str:
    encounter = {
        "resourceType": "Encounter",
        "id": f"{name}-stay",
        "status": status,
        "class": {"code": "IMP"},
        "subject": {"reference": f"Patient/{name}"},
        "period": {"start": "2026-01-01"},
    }
    return "\n".join(json.dumps(one) for one in ({"resourceType": "Patient", "id": name}, encounter))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    record = tmp_path / "record.ndjson"
    record.write_text("\n".join([patient("one", "in-progress"), patient("two", "finished")]))
    found = file_stack(home, tmp_path, ENTRIES)
    monkeypatch.setattr(callers, "Stack", lambda _: found)
    monkeypatch.setattr(type(found), "has_gateway", True)
    monkeypatch.setattr(callers, "operator", lambda _: None)
    monkeypatch.setattr(callers, "server_authority", lambda *_: "authority")
    monkeypatch.setattr(population, "source", lambda *_: record)
    monkeypatch.setattr(pipeline, "bundles", lambda source: [source])
    monkeypatch.setattr(ProgramClient, "access_token", lambda *_: TOKEN)
    monkeypatch.setattr(Application, "tls", lambda _: None)
    return home


def test_secrets_are_in_files_of_their_owner_alone(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "callers"
    found = callers.write(home, "north", folder, 5)
    assert TOKEN not in found.json()
    assert Path(found.token).read_text() == TOKEN
    assert folder.stat().st_mode & 0o077 == 0
    assert [path for path in (found.token, found.discharges, found.ehr_key) if Path(path).stat().st_mode & 0o077] == []


def test_the_ehr_s_key_signs_what_its_entry_verifies(home: Home, tmp_path: Path) -> None:
    found = callers.write(home, "north", tmp_path / "callers", 5)
    key = ECKey.import_key(Path(found.ehr_key).read_text())
    token = jwt.encode({"alg": "ES384", "kid": found.ehr_key_id}, {"iss": found.issuer}, key, algorithms=["ES384"])
    public: Any = EhrClient(home, "north").application.public_key()
    assert jwt.decode(token, ECKey.import_key(public), algorithms=["ES384"]).claims["iss"] == found.issuer


def test_discharges_are_of_stays_that_go_on(home: Home, tmp_path: Path) -> None:
    found = callers.write(home, "north", tmp_path / "callers", 5)
    [line] = Path(found.discharges).read_text().splitlines()
    assert json.loads(line)["context"]["encounterId"] == "one-stay"


def test_a_hospital_without_a_program_has_no_callers(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No program calls a gateway of south"):
        callers.write(home, "south", tmp_path / "callers", 5)
