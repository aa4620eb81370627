"""Settings of the recorder, from its environment."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from model.io.database import DatabaseServer
from services.audit.http import START_SECONDS
from services.database.connections import Database
from services.database.schemas import Schema
from services.environment import settings_of

_VARIABLES = {
    "hospital": "HOSPITAL",
    "gateway_metrics": "GATEWAY_METRICS",
    "audit_database": "AUDIT_DATABASE_FILE",
    "database_patience_seconds": "DATABASE_PATIENCE_SECONDS",
}


class Settings(BaseModel):
    """Settings of one hospital's recorder.

    Parameters
    ----------
    hospital
        Name of the hospital.
    gateway_metrics
        Host and port of the metrics of the gateway's pods; the name has the address of each pod.
    database_server
        The server of the hospital's databases.
    audit_database
        File with the login of the audit database.
    database_patience_seconds
        Time that a recorder that starts waits for its database.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hospital: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    gateway_metrics: str = Field(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")
    database_server: DatabaseServer
    audit_database: Path = Path("/vault/secrets/database-audit.json")
    database_patience_seconds: float = Field(START_SECONDS, ge=0, le=3600)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings that the environment has; an empty variable counts as absent.

        Raises
        ------
        UserError
            If a variable is missing or not what it must be.
        """
        return settings_of(cls, _VARIABLES, environment, program="recorder")

    @property
    def database(self) -> Database:
        """The hospital's audit database."""
        return Database.of(self.database_server, self.hospital, Schema.AUDIT)
