"""Releases in service of the stack's hospitals, and whether they were evaluated."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.cluster import openbao
from local.errors import UserError
from local.hospitals import canary_stop, pipeline
from local.paths import Home
from local.stack import environment
from local.stack.settings import ACTIVE, further_models, releases_of
from local.stack.stack import Stack

CANARY = "canary"
UNKNOWN = "release cannot be read"


@dataclass(frozen=True)
class Served:
    """Release of one hospital, what it does there, and why it does not; ``remark`` is shown with its risks.

    The role of a further model's release is the model's name.
    """

    hospital: str
    release: str
    remark: str
    role: str = ACTIVE
    stopped: str = ""


def remark(metrics: Mapping[str, Any]) -> str:
    """Return the warning for a release that was not evaluated; empty if it was.

    Parameters
    ----------
    metrics : mapping
        The release's ``metrics.json``; for older releases without this field, the ROC-AUC decides.
    """
    evaluation = metrics.get("evaluation") or {}
    why = evaluation.get("not_evaluated")
    if why is None:
        why = "" if evaluation.get("roc_auc") or metrics.get("roc_auc") is not None else "ROC-AUC cannot be told"
    return f"not evaluated: {why}" if why else ""


def served(home: Home) -> list[Served]:
    """Return the releases of each hospital in the stack's file, with their metadata."""
    if not openbao.token_file(home).exists():
        return []
    os.environ.update(environment.process(home))
    store, models = pipeline.storage(), []
    for entry in Stack(home).working():
        name, stopped = entry["name"], _stopped(home, entry)
        models += [
            Served(name, release, _remark(store, name, release), role, stopped if role == CANARY else "")
            for role, release in (releases_of(entry) | further_models(entry)).items()
        ]
    return models


def _stopped(home: Home, entry: Mapping[str, Any]) -> str:
    """Return why a hospital's canary answers nobody; empty if it does, or if there is none."""
    release = releases_of(entry).get(CANARY)
    try:
        stop = canary_stop.stops(home, entry["name"]).get(release) if release else None
    except UserError:
        return "whether it was stopped cannot be read"
    return str(stop) if stop else ""


def _remark(store: Any, hospital: str, release: str) -> str:
    try:
        return remark(pipeline.release_document(store, hospital, release, pipeline.METRICS_FILE))
    except (ClientError, BotoCoreError, ValueError):
        return UNKNOWN
