"""The collaborators of care as its pod has them: Vault, databases, mutual TLS to planning, the FHIR server."""

import ssl

import httpx

from model.deid.keys import Keyring, VaultKeyring
from model.errors import UserError
from model.fhir_server.credentials import credentials
from model.identity_store.transit_cipher import TransitCipher
from model.io.vault import Transit, Vault
from services.audit.http import Recorder
from services.care.context import Care
from services.care.delivery.outbox import FEEDBACK, RISK_ASSESSMENT, Deliver, NotDeliveredError, RefusedError
from services.care.delivery.write_back import FhirWriter, LateWriter
from services.care.fresh.features import FeatureSource
from services.care.fresh.history import History
from services.care.planning_client import FeedbackRefusedError, PlanningClient, PlanningUnavailableError
from services.care.settings import Settings
from services.database import connections
from services.database.schemas import Schema

WRITE_BACK_CREDENTIALS = "kv/data/fhir-write-back"
VAULT_PATIENCE_SECONDS = 2.0
"""A clinician waits: what Vault does not answer in this time is a problem (503)."""


def care(settings: Settings, planning: httpx.Client) -> Care:
    """Return the collaborators that the settings name.

    Parameters
    ----------
    settings : Settings
        The settings.
    planning : httpx.Client
        Client of planning: its address, with the pod's certificate, which verifies planning's identity.

    Raises
    ------
    UserError
        When the environment names no Vault, or a file of the settings cannot be used.
    """
    vault = Vault.from_environment(patience=VAULT_PATIENCE_SECONDS)
    if vault is None:
        raise UserError("Care needs Vault; set VAULT_ADDR and VAULT_ROLE.")
    return assembled(settings, planning, vault)


def assembled(settings: Settings, planning: httpx.Client, vault: Vault) -> Care:
    """Return the collaborators with a client of Vault."""
    mount = f"{settings.hospital}/transit"

    def ring(version: int | None) -> Keyring:
        return VaultKeyring(vault, mount, version or settings.key_version)

    client = PlanningClient(planning)
    receivers: dict[str, Deliver] = {FEEDBACK: lambda _message, content: deliver_feedback(client, content)}
    if settings.fhir_server is not None:
        receivers[RISK_ASSESSMENT] = LateWriter(lambda: fhir_writer(settings, vault)).write
    audit_engine = connections.engine(settings.database(Schema.AUDIT), settings.audit_database_file)
    return Care(
        settings=settings,
        engine=connections.engine(settings.database(Schema.CARE), settings.care_database_file),
        recorder=Recorder("care", settings.hospital, audit_engine),
        features=FeatureSource(settings.hospital, ring, settings.hmlops_time_zone),
        history=History(settings.curated, settings.hospital),
        cipher=TransitCipher(vault, mount),
        planning=client,
        http=httpx.Client(verify=ssl.create_default_context(cafile=settings.fhir_ca), trust_env=False),
        receivers=receivers,
    )


def fhir_writer(settings: Settings, vault: Transit) -> FhirWriter:
    """Return the writer to the hospital's FHIR server, with care's own credentials.

    Raises
    ------
    UserError
        When Vault does not have them, or they cannot be used.
    """
    shown = credentials(settings.hospital, vault=vault, path=WRITE_BACK_CREDENTIALS)
    return FhirWriter(str(settings.fhir_server), shown, f"Readmission risk service of {settings.hospital}")


def deliver_feedback(planning: PlanningClient, content: str) -> None:
    """Deliver feedback to planning, with the errors of an outbox."""
    try:
        planning.feedback(content)
    except FeedbackRefusedError as refused:
        raise RefusedError(str(refused)) from None
    except PlanningUnavailableError as fault:
        raise NotDeliveredError(type(fault).__name__) from None
