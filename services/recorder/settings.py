"""Settings of the recorder, from its environment."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.audit.http import START_SECONDS
from services.environment import HospitalSettings


class Settings(HospitalSettings):
    """Settings of one hospital's recorder.

    Parameters
    ----------
    gateway_metrics
        Host and port of the metrics of the gateway's pods; the name has the address of each pod.
    audit_database
        File with the login of the audit database.
    database_patience_seconds
        Time that a recorder that starts waits for its database.
    """

    program = "recorder"
    variables: ClassVar[dict[str, str]] = {
        "gateway_metrics": "GATEWAY_METRICS",
        "audit_database": "AUDIT_DATABASE_FILE",
        "database_patience_seconds": "DATABASE_PATIENCE_SECONDS",
    }

    gateway_metrics: str = Field(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$")
    audit_database: Path = Path("/vault/secrets/database-audit.json")
    database_patience_seconds: float = Field(START_SECONDS, ge=0, le=3600)
