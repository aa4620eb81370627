"""Care in its pod: mutual TLS for the gateway, and to planning."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from model.errors import UserError
from services import workflows
from services.audit.configuration import Deployment, start_entry
from services.audit.http import caller_refused
from services.care.app import create
from services.care.assembly import care
from services.care.context import Care
from services.care.fresh.features import one_patient
from services.care.planning_client import FEEDBACK, HOOK, PURPOSE, WORKLIST
from services.care.settings import Settings
from services.planning import feedback
from services.transport import ServerSettings, SpiffeId, client
from services.transport import serve as serve_tls
from services.workflows import Influence, WorkflowError, verify_uses

PLANNING = "planner"
"""ServiceAccount of planning."""
USES = {HOOK: Influence.ADVISES_CLINICIAN, WORKLIST: Influence.ADVISES_CLINICIAN, FEEDBACK: Influence.NONE}
"""Influence on care of what care answers, by workflow."""


def serve(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop.

    Parameters
    ----------
    environment : mapping
        Variables of :mod:`services.care.settings`, :mod:`services.transport.server`,
        :mod:`services.audit.configuration` and Vault.

    Raises
    ------
    UserError
        If the table of workflows does not describe what care does, a setting is missing, or a file of the settings
        cannot be used.
    NotRecordedError
        If the start is not on record, although the service waited: then nothing could be answered.
    """
    try:
        verify_uses(USES, PURPOSE)
    except WorkflowError as fault:
        raise UserError(str(fault)) from None
    settings, deployment = Settings.from_environment(environment), Deployment.from_environment(environment)
    try:
        tls = ServerSettings.from_environment(environment)
        planning = client(str(settings.planning_url), SpiffeId(settings.hospital, PLANNING), tls.files)
    except ValueError as fault:
        raise UserError(f"TLS_CALLERS, TLS_PORT or PLANNING_URL: {fault}; correct the environment.") from None
    parts = care(settings, planning)
    record_start(parts, deployment)
    one_patient()
    # The transport takes uvicorn's types of an ASGI application, which are Starlette's in other words.
    app, refusal = cast(Any, create(parts)), cast(Any, caller_refused(parts.recorder))
    serve_tls(app, tls, refusal)


def record_start(parts: Care, deployment: Deployment) -> None:
    """Put the configuration on record, by its digests."""
    components = {
        "settings": parts.settings.model_dump_json().encode(),
        "workflows": Path(workflows.TABLE).read_bytes(),
        "feedback": feedback.TABLE.read_bytes(),
        "ehr-clients": parts.settings.ehr_clients.encode(),
    }
    entry = start_entry(
        "care", parts.settings.hospital, components, deployment=deployment, release=None, at=datetime.now(UTC)
    )
    parts.recorder.append_start(entry)
