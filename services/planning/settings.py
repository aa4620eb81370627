"""Settings of the planning service, from its environment."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from model.io.database import DatabaseServer
from services.audit.http import START_SECONDS
from services.database.connections import Database
from services.database.schemas import Schema
from services.environment import settings_of
from services.planning.delivery.releases import Releases, ReleasesVariable

_VARIABLES = {
    "hospital": "HOSPITAL",
    "releases": "RELEASES",
    "online_features": "ONLINE_FEATURES",
    "planning_database": "PLANNING_DATABASE_FILE",
    "audit_database": "AUDIT_DATABASE_FILE",
    "database_patience_seconds": "DATABASE_PATIENCE_SECONDS",
    "budget_milliseconds": "MODEL_BUDGET_MILLISECONDS",
    "stale_hours": "FEATURES_STALE_HOURS",
    "metrics_port": "METRICS_PORT",
}
_SECRETS = Path("/vault/secrets")
STALE_HOURS = 36.0
"""Default of ``stale_hours``, here and in the nightly scoring."""


class Settings(BaseModel):
    """Settings of one hospital's planning service.

    Parameters
    ----------
    hospital
        Name of the hospital.
    releases
        The assigned releases by role and by model, with their model servers. Without an active one every encounter is
        ranked by LACE.
    online_features
        The features file, local or ``s3://``.
    database_server
        The server of the hospital's databases.
    planning_database, audit_database
        Files with their logins.
    database_patience_seconds
        Time that a service that starts waits for its database.
    budget_milliseconds
        Time for an answer of the model server.
    stale_hours
        Age from which features are stale. The features job runs each night: one missed run is not stale, two are.
    metrics_port
        Port at which Prometheus reads metrics, in plain HTTP; without one they are not served.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hospital: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    releases: ReleasesVariable = Releases()
    online_features: str = Field(min_length=1)
    database_server: DatabaseServer
    planning_database: Path = _SECRETS / "database-planning.json"
    audit_database: Path = _SECRETS / "database-audit.json"
    database_patience_seconds: float = Field(START_SECONDS, ge=0, le=3600)
    budget_milliseconds: int = Field(300, ge=10, le=5000)
    stale_hours: float = Field(STALE_HOURS, gt=0, le=24 * 14)
    metrics_port: int | None = Field(None, ge=1024, le=65535)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings that the environment has; an empty variable counts as absent.

        Raises
        ------
        UserError
            If a variable is missing or not what it must be.
        """
        return settings_of(cls, _VARIABLES, environment, program="service")

    def database(self, schema: Schema) -> Database:
        """Return the hospital's database with a schema."""
        return Database.of(self.database_server, self.hospital, schema)
