"""MLflow tracking store: its URI, and a client without telemetry or user, host and command-line tags."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from model.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
# Two tries of twenty seconds: a server that is down is reported in a minute, not in ten.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def tracking_uri(folder: Path) -> str:
    """Return where the run in a folder is recorded."""
    return os.environ.get(URI) or f"sqlite:///{folder.resolve().parent / DATABASE}"


def shown(uri: str) -> str:
    """Return a tracking URI without user and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else uri


def artifact_location(folder: Path) -> str | None:
    """Return where artifacts lie: a server decides itself, a file has them in the folder beside it."""
    return None if os.environ.get(URI) else (folder.resolve().parent / ARTIFACTS).as_uri()


@contextmanager
def store(folder: Path) -> Iterator["MlflowClient"]:
    """Give a client of the store of a run's folder; a fault of the store is one sentence.

    Raises
    ------
    UserError
        When MLflow cannot be reached or does not take what it is given. The run's folder is whole all the same.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # MLflow takes seconds to load: only a command that records needs it.
    import requests
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    uri = tracking_uri(folder)
    try:
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)
    except (MlflowException, requests.RequestException, SQLAlchemyError, OSError) as fault:
        code = getattr(fault, "error_code", type(fault).__name__)
        raise UserError(
            f"MLflow at {shown(uri)} did not accept the record ({code}); the folder {folder} is complete; "
            f"correct {URI} and run the same command again, or add --no-track."
        ) from None
