"""Settings of the worklist of one hospital."""

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from model.io.hospital_name import HospitalName


class WorklistSettings(BaseModel):
    """Settings of the worklist: who may sign in, and where a session ends.

    Parameters
    ----------
    hospital
        The hospital, as in the claim ``hospital``.
    hospital_title
        Its name on the pages.
    issuer
        The identity provider: claim ``iss``.
    audience
        Claim ``aud`` of access tokens for care.
    acr
        Authentication contexts (claim ``acr``) that mean a second factor.
    ca
        Certificates that the identity provider's certificate is verified with; the system's without.
    sign_in, sign_out
        Paths of the gateway that begin and end a session at the identity provider.
    time_zone
        Of the times on the pages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hospital: HospitalName
    hospital_title: str = Field(min_length=1, max_length=80)
    issuer: str = Field(pattern=r"^https://")
    audience: str = Field(min_length=1)
    acr: tuple[str, ...] = Field(default=("2",), min_length=1)
    ca: Path | None = None
    sign_in: str = Field(default="/worklist", pattern=r"^/")
    sign_out: str = Field(default="/signout", pattern=r"^/")
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError):
            raise ValueError(f"{name} is not a time zone of the IANA database") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)
