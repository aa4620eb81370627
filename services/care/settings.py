"""Settings of the care application, from environment variables; none of them is a secret."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, Json, ValidationError, field_validator

from model.errors import UserError
from model.io.database import DatabaseServer
from model.io.hospital_name import HospitalName
from services.care.ehr_clients import EhrClient, read_clients
from services.care.worklist.settings import WorklistSettings
from services.database.connections import Database
from services.database.schemas import Schema

MEBIBYTE = 1 << 20


class Settings(BaseModel):
    """Settings of one hospital's care application.

    Each field is the environment variable of the same name in capitals.

    Parameters
    ----------
    hospital
        Short name of the hospital; part of every pseudonym.
    public_url
        Address at which browsers reach this application, through the gateway.
    ehr_url
        Address at which the EHR calls it, which its tokens name; ``public_url`` unless it is set.
    planning_url
        Address of the planning service.
    ehr_clients
        The EHR clients as JSON: a list of :class:`services.care.ehr_clients.EhrClient`.
    curated
        Folder or S3 prefix of the curated tables: the history that a fresh record is joined with.
    database_server
        The server of the hospital's databases: ``DATABASE_HOST``, ``DATABASE_PORT`` and ``DATABASE_CA``.
    care_database_file, audit_database_file
        Files with the logins of the databases.
    hmlops_time_zone
        The hospital's time zone, in which a date without a time is a day.
    key_version
        Version of the pseudonym key in Vault.
    fhir_server
        FHIR server that RiskAssessments are written to, with credentials of Vault; none are written unless it is set.
    fhir_ca
        Certificates that the FHIR servers of hooks are verified with; those of the system unless it is set.
    largest_body_bytes
        Largest body of a request.
    hospital_title
        The hospital's name on the worklist's pages.
    units
        Names of the hospital's units as its sign-in has them, a JSON list.
    canary_units
        The units whose encounters a canary may answer, a JSON list; planning gets a code, never the unit.
    sign_in_issuer, sign_in_audience, sign_in_acr, sign_in_ca
        Identity provider of the coordinators: issuer, audience of access tokens, the authentication context that
        means a second factor, and its certificate authority. Without an issuer there is no worklist.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hospital: HospitalName
    public_url: HttpUrl
    ehr_url: HttpUrl | None = None
    planning_url: HttpUrl
    ehr_clients: str
    curated: str
    database_server: DatabaseServer
    care_database_file: Path = Path("/vault/secrets/database-care.json")
    audit_database_file: Path = Path("/vault/secrets/database-audit.json")
    hmlops_time_zone: str | None = None
    key_version: int | None = Field(default=None, ge=1)
    fhir_server: HttpUrl | None = None
    fhir_ca: Path | None = None
    largest_body_bytes: int = Field(default=16 * MEBIBYTE, ge=MEBIBYTE)
    hospital_title: str | None = Field(default=None, min_length=1, max_length=80)
    units: Json[tuple[str, ...]] = ()
    canary_units: Json[tuple[str, ...]] = ()
    sign_in_issuer: str | None = Field(default=None, pattern=r"^https://")
    sign_in_audience: str | None = None
    sign_in_acr: str = "2"
    sign_in_ca: Path | None = None

    @field_validator("public_url", "ehr_url", "planning_url")
    @classmethod
    def _https(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and url.scheme != "https":
            raise ValueError("must be an https:// address")
        return url

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises
        ------
        UserError
            When a variable is missing or invalid.
        """
        named = {name: environment[name.upper()] for name in cls.model_fields if name.upper() in environment}
        server = DatabaseServer.from_environment(environment)
        try:
            settings = cls.model_validate(named | {"database_server": server})
        except ValidationError as invalid:
            faults = sorted({str(fault["loc"][0]).upper() for fault in invalid.errors(include_input=False)})
            raise UserError(f"Missing or invalid environment variables: {', '.join(faults)}; correct them.") from None
        # At the start, not in the first request.
        _ = settings.clients
        return settings

    def database(self, schema: Schema) -> Database:
        """Return the hospital's database with a schema."""
        return Database.of(self.database_server, self.hospital, schema)

    @property
    def address(self) -> str:
        """The address for browsers, without a slash at its end."""
        return str(self.public_url).rstrip("/")

    @property
    def ehr_address(self) -> str:
        """The address for the EHR, without a slash at its end."""
        return str(self.ehr_url or self.public_url).rstrip("/")

    @property
    def worklist(self) -> WorklistSettings | None:
        """Settings of the worklist, where the hospital has one."""
        if self.sign_in_issuer is None:
            return None
        return WorklistSettings(
            hospital=self.hospital,
            hospital_title=self.hospital_title or self.hospital.capitalize(),
            issuer=self.sign_in_issuer,
            audience=self.sign_in_audience or f"{self.hospital}-care",
            acr=tuple(self.sign_in_acr.split(",")),
            ca=self.sign_in_ca,
            time_zone=self.hmlops_time_zone or "UTC",
        )

    @cached_property
    def clients(self) -> tuple[EhrClient, ...]:
        """The EHR clients."""
        return read_clients(self.ehr_clients)
