"""Settings of the planning service, from its environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from model.io.database import DatabaseServer
from services.audit.http import START_SECONDS
from services.database.connections import Database
from services.database.schemas import Schema
from services.environment import settings_of

_VARIABLES = {
    "hospital": "HOSPITAL",
    "model_url": "MODEL_URL",
    "model_name": "MODEL_NAME",
    "model_release": "MODEL_RELEASE",
    "release_files": "RELEASE_FILES",
    "online_features": "ONLINE_FEATURES",
    "planning_database": "PLANNING_DATABASE_FILE",
    "audit_database": "AUDIT_DATABASE_FILE",
    "database_patience_seconds": "DATABASE_PATIENCE_SECONDS",
    "budget_milliseconds": "MODEL_BUDGET_MILLISECONDS",
    "stale_hours": "FEATURES_STALE_HOURS",
}
_SECRETS = Path("/vault/secrets")


class Settings(BaseModel):
    """Settings of one hospital's planning service.

    Parameters
    ----------
    hospital
        Name of the hospital.
    model_url, model_name
        URL of the model server, and the model's name there.
    model_release, release_files
        The assigned release, as ``v1@0123456789ab``, and its folder or S3 prefix. Without them every encounter is
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
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    hospital: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    model_url: str = Field(pattern=r"^https?://")
    model_name: str = Field(min_length=1)
    model_release: Annotated[str, Field(pattern=r"^v[0-9]+(\.[0-9]+)*@[0-9a-f]{12,64}$")] | None = None
    release_files: str | None = None
    online_features: str = Field(min_length=1)
    database_server: DatabaseServer
    planning_database: Path = _SECRETS / "database-planning.json"
    audit_database: Path = _SECRETS / "database-audit.json"
    database_patience_seconds: float = Field(START_SECONDS, ge=0, le=3600)
    budget_milliseconds: int = Field(300, ge=10, le=5000)
    stale_hours: float = Field(36.0, gt=0, le=24 * 14)

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

    @property
    def inference_url(self) -> str:
        """The address that the model is asked at."""
        return f"{self.model_url.rstrip('/')}/v2/models/{self.model_name}/infer"
