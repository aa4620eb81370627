"""Stops of canaries, which planning records in its database and never takes back."""

import csv
import io
import os
import subprocess
from dataclasses import dataclass

from local.cluster import postgres
from local.errors import UserError
from local.paths import NODE_IP, POSTGRES_PORT, Home
from local.tools.catalogue import POSTGRES_BINARIES

_QUERY = "SELECT release, cause, to_char(stopped_at, 'YYYY-MM-DD HH24:MI') FROM planning.canary_stops"
_SECONDS = 5


@dataclass(frozen=True)
class Stop:
    """Stop of a canary: its release, the code of the cause, and the time in UTC."""

    release: str
    cause: str
    at: str

    def __str__(self) -> str:
        return f"stopped at {self.at} UTC: {self.cause}"


def stops(home: Home, hospital: str) -> dict[str, Stop]:
    """Return the stops of a hospital's canaries by release.

    Raises
    ------
    UserError
        If the database does not answer.
    """
    options = {
        "host": NODE_IP,
        "port": str(POSTGRES_PORT),
        "dbname": f"{hospital}-planning",
        "user": postgres.ADMINISTRATOR,
        "sslmode": "verify-full",
        "sslrootcert": str(home.pki / "ca.crt"),
        "connect_timeout": str(_SECONDS),
    }
    done = subprocess.run(
        [
            str(POSTGRES_BINARIES / "psql"),
            " ".join(f"{name}={value}" for name, value in options.items()),
            *("--no-psqlrc", "--csv", "--tuples-only", "--command", _QUERY),
        ],
        env={**os.environ, "PGPASSWORD": postgres.administrator_password(home), "PGAPPNAME": "hmlops-local"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(
            f"The stops of {hospital}'s canaries cannot be read from its database: `make status` names what does not "
            "run, `make up` starts it."
        )
    return {row[0]: Stop(*row) for row in csv.reader(io.StringIO(done.stdout)) if row}
