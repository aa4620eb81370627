"""Releases in service of the stack's hospitals, and whether they were evaluated."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.cluster import openbao
from local.hospitals import pipeline
from local.paths import Home
from local.stack import environment
from local.stack.stack import Stack

UNKNOWN = "release cannot be read"


@dataclass(frozen=True)
class Served:
    """Release in service of one hospital; ``remark`` is a warning to show with its risks."""

    hospital: str
    release: str
    remark: str


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
    """Return the release of each hospital in the stack's file, with its metadata."""
    if not openbao.token_file(home).exists():
        return []
    os.environ.update(environment.process(home))
    store, models = pipeline.storage(), []
    for entry in Stack(home).working():
        release = entry.get("release")
        if release:
            models.append(Served(entry["name"], release, _remark(store, entry["name"], release)))
    return models


def _remark(store: Any, hospital: str, release: str) -> str:
    try:
        return remark(pipeline.release_document(store, hospital, release.partition("@")[2], pipeline.METRICS_FILE))
    except (ClientError, BotoCoreError, ValueError):
        return UNKNOWN
