"""Settings of the planning service, from its environment."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.audit.http import START_SECONDS
from services.environment import HospitalSettings
from services.planning.delivery.releases import Releases, ReleasesVariable

_SECRETS = Path("/vault/secrets")
STALE_HOURS = 36.0
"""Default of ``stale_hours``, here and in the nightly scoring."""


class Settings(HospitalSettings):
    """Settings of one hospital's planning service.

    Parameters
    ----------
    releases
        The assigned releases by role and by model, with their model servers. Without an active one every encounter is
        ranked by LACE.
    online_features
        The features file, local or ``s3://``.
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

    variables: ClassVar[dict[str, str]] = {
        "releases": "RELEASES",
        "online_features": "ONLINE_FEATURES",
        "planning_database": "PLANNING_DATABASE_FILE",
        "audit_database": "AUDIT_DATABASE_FILE",
        "database_patience_seconds": "DATABASE_PATIENCE_SECONDS",
        "budget_milliseconds": "MODEL_BUDGET_MILLISECONDS",
        "stale_hours": "FEATURES_STALE_HOURS",
        "metrics_port": "METRICS_PORT",
    }

    releases: ReleasesVariable = Releases()
    online_features: str = Field(min_length=1)
    planning_database: Path = _SECRETS / "database-planning.json"
    audit_database: Path = _SECRETS / "database-audit.json"
    database_patience_seconds: float = Field(START_SECONDS, ge=0, le=3600)
    budget_milliseconds: int = Field(300, ge=10, le=5000)
    stale_hours: float = Field(STALE_HOURS, gt=0, le=24 * 14)
    metrics_port: int | None = Field(None, ge=1024, le=65535)
