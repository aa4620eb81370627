"""A model release's own files as data: is it whole, signed, described, through its gates, and approved."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIST, SIGNATURE, CARD, METRICS, LINEAGE = (
    "files.json",
    "signature.json",
    "MODEL_CARD.md",
    "metrics.json",
    "lineage.json",
)


@dataclass(frozen=True)
class Papers:
    """What a release's files say.

    Parameters
    ----------
    faults
        What is missing or was changed, in words.
    profile
        The gates' profile.
    passed
        Whether every gate passed.
    approved
        Whether somebody approved it.
    evaluated
        Whether its test data told how good it is.
    """

    faults: tuple[str, ...]
    profile: str
    passed: bool
    approved: bool
    evaluated: bool = True


def folder(root: Path, uri: str) -> Path:
    """Return where a release lies below a mirror of the buckets: ``<root>/<bucket>/<path>``."""
    return root / uri.removeprefix("s3://").strip("/")


def read(place: Path, digest: str) -> Papers:
    """Read a release; its file list must have the digest by which it is deployed, and each file the listed hash.

    The signature is checked to be there and to be of this list; ``python -m model verify`` checks it against keys.
    """
    listed = _bytes(place / LIST)
    if listed is None:
        return Papers((f"has no {LIST} at {place}",), "", passed=False, approved=False)
    faults = [] if hashlib.sha256(listed).hexdigest().startswith(digest) else [f"{LIST} is not of digest {digest}"]
    names = set()
    for row in _json(listed).get("files", []):
        names.add(row.get("path"))
        content = _bytes(place / str(row.get("path")))
        if content is None or hashlib.sha256(content).hexdigest() != row.get("sha256"):
            faults.append(f"{row.get('path')} is missing or was changed")
    if CARD not in names:
        faults.append("has no model card")
    if not _json(_bytes(place / SIGNATURE)).get("signature"):
        faults.append("is not signed")
    metrics, lineage = _json(_bytes(place / METRICS)), _json(_bytes(place / LINEAGE))
    evaluation = metrics.get("evaluation") or metrics
    return Papers(
        tuple(faults),
        profile=str(lineage.get("profile", "")),
        passed=evaluation.get("passed") is True,
        approved=bool((lineage.get("approval") or {}).get("by")),
        evaluated=lineage.get("evaluated", True) is True,
    )


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _json(content: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
