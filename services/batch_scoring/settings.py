"""Settings of a nightly scoring, from its environment."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.environment import HospitalSettings
from services.planning.settings import STALE_HOURS
from services.verified_release import AssignedRelease

_SECRETS = Path("/vault/secrets")


class Settings(HospitalSettings):
    """Settings of a hospital's nightly scoring.

    Parameters
    ----------
    release, release_files
        Version and digest of its active release, as ``v1@0123456789ab``, and the folder or S3 prefix of its files.
    stays
        Features of the stays that go on, local or ``s3://``.
    planning_database, audit_database
        Files with their logins.
    stale_hours
        Age from which features are stale, as for planning.
    """

    program = "Job"
    variables: ClassVar[dict[str, str]] = {
        "release": "ACTIVE_RELEASE",
        "release_files": "RELEASE_FILES",
        "stays": "STAYS",
        "planning_database": "PLANNING_DATABASE_FILE",
        "audit_database": "AUDIT_DATABASE_FILE",
        "stale_hours": "FEATURES_STALE_HOURS",
    }

    release: AssignedRelease
    release_files: str = Field(min_length=1)
    stays: str = Field(min_length=1)
    planning_database: Path = _SECRETS / "database-planning.json"
    audit_database: Path = _SECRETS / "database-audit.json"
    stale_hours: float = Field(STALE_HOURS, gt=0, le=24 * 14)
