"""Logins of people: of a real OpenBao and PostgreSQL, with the policies of the workload table."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.audit import __main__ as audit
from services.audit import chain
from services.database import __main__ as commands
from services.database import setup, vault_login
from services.database.schemas import Schema
from tests.support.audit.audit_records import PATIENT, entry, features, scored
from tests.support.databases import vault_database
from tests.support.databases.postgres import Database, PostgresServer, temporary_server
from tests.support.vault.bao_server import HOSPITAL, Bao, bao
from workloads.zones.workload_table import row

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with temporary_server() as made:
        setup.set_up(made.administrator, HOSPITAL)
        setup.migrate_all(made.administrator, HOSPITAL)
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Bao]:
    with bao(tmp_path_factory.mktemp("bao"), vault_database.environment(postgres)) as made:
        vault_database.lay_out(made, postgres)
        for role in commands.PersonRole:
            made.admit(role, row(role).vault_rules)
        vault = made.vault("database")
        vault_login.give_vault_its_login(postgres.administrator, HOSPITAL, attempt=vault, vault=vault)
        yield made


@pytest.fixture
def log_in(server: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "LogIn":
    monkeypatch.setenv("VAULT_ADDR", server.url)
    for name in ("VAULT_CACERT", "VAULT_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    return LogIn(server, tmp_path)


class LogIn:
    """The command, with the token of a ServiceAccount."""

    def __init__(self, server: Bao, folder: Path) -> None:
        self.server, self.folder = server, folder

    def __call__(self, role: str, token_of: str) -> tuple[int, str, Path]:
        target = self.folder / f"{role}.json"
        token = str(self.server.token_file(token_of))
        done = CliRunner().invoke(
            commands.app, ["login", "--hospital", HOSPITAL, "--role", role, "--to", str(target), "--token", token]
        )
        return done.exit_code, done.output, target


def run(monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer, login: Path, *arguments: str) -> int:
    for name, value in {"AUDIT_DATABASE_FILE": str(login), "HOSPITAL": HOSPITAL, **postgres.environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["audit", *arguments])
    with pytest.raises(SystemExit) as ended:
        audit.main()
    return int(ended.value.code or 0)


def test_an_auditor_reviews_and_a_privacy_officer_erases(
    postgres: PostgresServer, log_in: LogIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = features()
    with Database(postgres, HOSPITAL, Schema.AUDIT).engine("audit-writer").connect() as connection:
        chain.append(connection, entry(HOSPITAL, scores=(scored(),)), [values])
    code, output, auditor = log_in("audit-reader", "audit-reader")
    assert code == 0, output
    assert stat.S_IMODE(auditor.stat().st_mode) == 0o600
    assert json.loads(auditor.read_text())["password"] not in output
    assert run(monkeypatch, postgres, auditor, "access", "--from", "2020-01-01") == 0
    assert run(monkeypatch, postgres, auditor, "disclosures", PATIENT) == 0
    erasure = ("erase", "--patient", PATIENT, "--by", "jane.doe", "--reason", "patient-request")
    assert run(monkeypatch, postgres, auditor, *erasure) != 0
    code, output, officer = log_in("audit-eraser", "audit-eraser")
    assert code == 0, output
    capsys.readouterr()
    assert run(monkeypatch, postgres, officer, *erasure) == 0
    assert "Erased the feature values of 1 scores" in capsys.readouterr().out


def test_the_token_of_one_person_gives_no_other_s_login(log_in: LogIn) -> None:
    code, output, target = log_in("audit-eraser", "audit-reader")
    assert code != 0
    assert not target.exists()
    assert "Traceback" not in output
