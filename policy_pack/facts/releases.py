"""Metadata of a model release, from its files: integrity, signature, model card, gates and approval."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = Path(__file__).parents[2] / "model" / "artifact" / "names.json"
_NAMES: dict[str, str] = json.loads(NAMES.read_text(encoding="utf-8"))
FILE_LIST, SIGNATURE, MODEL_CARD, METRICS, LINEAGE = (
    _NAMES[name] for name in ("list", "signature", "card", "metrics", "lineage")
)


@dataclass(frozen=True)
class ReleaseMetadata:
    """What the files of a release say.

    Parameters
    ----------
    problems
        Missing or changed files, as text.
    profile
        The profile of the gates.
    passed
        Whether every gate passed.
    approved
        Whether the release was approved.
    evaluated
        Whether the release was evaluated on held-out data.
    """

    problems: tuple[str, ...]
    profile: str
    passed: bool
    approved: bool
    evaluated: bool = True


def local_path(root: Path, uri: str) -> Path:
    """Return the path of a release in a mirror of the buckets: ``<root>/<bucket>/<path>``."""
    return root / uri.removeprefix("s3://").strip("/")


def read(path: Path, digest: str) -> ReleaseMetadata:
    """Read a release; its file list must have the deployed digest, and each file the hash in the list.

    The signature only has to be present; ``python -m model verify`` verifies it with the public key.
    """
    file_list = _content(path / FILE_LIST)
    if file_list is None:
        return ReleaseMetadata((f"has no {FILE_LIST} at {path}",), "", passed=False, approved=False)
    has_digest = hashlib.sha256(file_list).hexdigest().startswith(digest)
    problems = [] if has_digest else [f"has a {FILE_LIST} whose digest is not {digest}"]
    names = set()
    for row in _json(file_list).get("files", []):
        names.add(row.get("path"))
        content = _content(path / str(row.get("path")))
        if content is None or hashlib.sha256(content).hexdigest() != row.get("sha256"):
            problems.append(f"has a file {row.get('path')} that is missing or was changed")
    if MODEL_CARD not in names:
        problems.append("has no model card")
    if not _json(_content(path / SIGNATURE)).get("signature"):
        problems.append("is not signed")
    metrics, lineage = _json(_content(path / METRICS)), _json(_content(path / LINEAGE))
    evaluation = metrics.get("evaluation") or metrics
    return ReleaseMetadata(
        tuple(problems),
        profile=str(lineage.get("profile", "")),
        passed=evaluation.get("passed") is True,
        approved=bool((lineage.get("approval") or {}).get("by")),
        evaluated=lineage.get("evaluated", True) is True,
    )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _json(content: bytes | None) -> dict[str, Any]:
    try:
        document = json.loads(content) if content else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
