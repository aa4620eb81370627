"""Settings of a nightly scoring, from its environment."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from model.io.database import DatabaseServer
from services.database.connections import Database
from services.database.schemas import Schema
from services.environment import settings_of
from services.planning.settings import STALE_HOURS

_VARIABLES = {
    "hospital": "HOSPITAL",
    "release": "ACTIVE_RELEASE",
    "release_files": "RELEASE_FILES",
    "stays": "STAYS",
    "planning_database": "PLANNING_DATABASE_FILE",
    "audit_database": "AUDIT_DATABASE_FILE",
    "stale_hours": "FEATURES_STALE_HOURS",
}
_SECRETS = Path("/vault/secrets")


class Settings(BaseModel):
    """Settings of a hospital's nightly scoring.

    Parameters
    ----------
    hospital
        Name of the hospital.
    release, release_files
        Version and digest of its active release, as ``v1@0123456789ab``, and the folder or S3 prefix of its files.
    stays
        Features of the stays that go on, local or ``s3://``.
    database_server
        The server of the hospital's databases.
    planning_database, audit_database
        Files with their logins.
    stale_hours
        Age from which features are stale, as for planning.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hospital: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    release: str = Field(pattern=r"^v[0-9]+(\.[0-9]+)*@[0-9a-f]{12,64}$")
    release_files: str = Field(min_length=1)
    stays: str = Field(min_length=1)
    database_server: DatabaseServer
    planning_database: Path = _SECRETS / "database-planning.json"
    audit_database: Path = _SECRETS / "database-audit.json"
    stale_hours: float = Field(STALE_HOURS, gt=0, le=24 * 14)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings that the environment has; an empty variable counts as absent.

        Raises
        ------
        UserError
            If a variable is missing or not what it must be.
        """
        return settings_of(cls, _VARIABLES, environment, program="Job")

    def database(self, schema: Schema) -> Database:
        """Return the hospital's database with a schema."""
        return Database.of(self.database_server, self.hospital, schema)
