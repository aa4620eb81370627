"""The commands of ``python -m services.audit``, called in the process of a test on a real database."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.audit import __main__ as command
from services.audit import chain
from services.audit.records import AuditEntry
from tests.support.databases.postgres import Database


@dataclass
class Commands:
    """The commands, called in this process."""

    database: Database
    folder: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str, role: str = "audit-reader") -> tuple[int, str, str]:
        """Return exit code, output and errors."""
        self.patch.setenv("AUDIT_DATABASE_FILE", str(self.database.login_file(role)))
        for name, value in {"HOSPITAL": self.database.hospital, **self.database.server.environment}.items():
            self.patch.setenv(name, value)
        self.patch.setattr("sys.argv", ["audit", *arguments])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            command.main()
        streams = self.capture.readouterr()
        return int(ended.value.code or 0), streams.out, streams.err

    def json(self, *arguments: str, role: str = "audit-reader") -> Any:
        code, out, err = self.run(*arguments, "--json", role=role)
        assert (code, err) == (0, ""), (code, out, err)
        return json.loads(out)

    def append(self, *entries: AuditEntry, values: bytes | None = None) -> None:
        with self.database.engine("audit-writer").connect() as connection:
            for made in entries:
                chain.append(connection, made, [values] * len(made.scores) if values else [])

    @property
    def key(self) -> str:
        return str(self.folder / "audit.key")
