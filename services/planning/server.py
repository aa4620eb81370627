"""The service in its pod: mutual TLS for its callers and to the model server."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from model.errors import UserError
from services import workflows
from services.audit.configuration import Deployment, start_entry
from services.audit.http import caller_refused
from services.planning import answers, feedback
from services.planning.app import create
from services.planning.assembly import Planning, planning
from services.planning.open_inference import MODEL_SERVER
from services.planning.settings import Settings
from services.transport import ServerSettings, SpiffeId, client
from services.transport import serve as serve_tls


def serve(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop.

    Parameters
    ----------
    environment : mapping
        Variables of :mod:`services.planning.settings`, :mod:`services.transport.server` and
        :mod:`services.audit.configuration`.

    Raises
    ------
    UserError
        If a setting is missing, or the certificate cannot be used.
    NotRecordedError
        If the start is not on record, although the service waited: then nothing could be answered.
    """
    settings, deployment = Settings.from_environment(environment), Deployment.from_environment(environment)
    try:
        tls = ServerSettings.from_environment(environment)
        clients = {
            assigned: client(assigned.url, SpiffeId(settings.hospital, MODEL_SERVER), tls.files)
            for assigned in settings.releases.all()
        }
    except ValueError as fault:
        raise UserError(f"TLS_CALLERS, TLS_PORT or RELEASES: {fault}; correct the service's environment.") from None
    parts = planning(settings, lambda assigned: clients[assigned])
    parts.refresh.round()
    _record_start(parts, deployment)
    if settings.metrics_port is not None:
        parts.metrics.serve(settings.metrics_port)
    # The transport takes uvicorn's types of an ASGI application, which are Starlette's in other words.
    app, refusal = cast(Any, create(parts)), cast(Any, caller_refused(parts.recorder))
    serve_tls(app, tls, refusal)


def _record_start(parts: Planning, deployment: Deployment) -> None:
    release = parts.active()
    components = {
        "settings": parts.settings.model_dump_json().encode(),
        "workflows": Path(workflows.TABLE).read_bytes(),
        "feedback": feedback.TABLE.read_bytes(),
        "thresholds": answers.thresholds(release) if release else b"",
    }
    further = {name: server.source.get() for name, server in parts.model_servers.items()}
    components |= {f"thresholds-{name}": answers.thresholds(one) for name, one in further.items() if one}
    entry = start_entry(
        "planning",
        parts.settings.hospital,
        components,
        deployment=deployment,
        release=answers.release_ref(release) if release else None,
        at=datetime.now(UTC),
    )
    parts.recorder.append_start(entry, parts.settings.database_patience_seconds)
