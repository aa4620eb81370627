"""Metadata of a model release, from its files: integrity, signature, model card, gates and approval."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policy_pack import tables

NAMES = Path(__file__).parents[2] / "model" / "artifact" / "names.json"
_NAMES: dict[str, str] = json.loads(NAMES.read_text(encoding="utf-8"))
FILE_LIST, SIGNATURE, MODEL_CARD, METRICS, LINEAGE = (
    _NAMES[name] for name in ("list", "signature", "card", "metrics", "lineage")
)
ATTRIBUTES = Path(__file__).parents[2] / "model" / "release" / "attributes.yaml"
_CARD_ROW = re.compile(r"^\| (?P<id>\d+\.[ivx]+) \| [^|\n]* \| (?P<answer>.*?) ?\|$", re.MULTILINE)
_NO_ANSWER = ("", "not known")


@dataclass(frozen=True)
class SourceAttribute:
    """A source attribute of a predictive decision support intervention, 45 CFR 170.315(b)(11)(iv)(B).

    Parameters
    ----------
    id, name
        The attribute.
    required
        Whether it must have an answer before use on patients; the rule lets others be marked as not available.
    """

    id: str
    name: str
    required: bool


@cache
def source_attributes() -> tuple[SourceAttribute, ...]:
    """Return the source attributes of the rule, from the table of the model card."""
    return tables.read(_source_attributes, ATTRIBUTES)


def _source_attributes(table: Any) -> tuple[SourceAttribute, ...]:
    rows = (row for group in table["groups"] for row in group["attributes"])
    return tuple(
        SourceAttribute(str(row["id"]), row["attribute"], required=not row.get("may_be_unknown")) for row in rows
    )


@dataclass(frozen=True)
class ReleaseMetadata:
    """Metadata of a release, from its files.

    Parameters
    ----------
    problems
        Missing or changed files, as text.
    profile
        The profile of the gates.
    passed
        Whether every gate passed.
    approved
        Whether the release was approved, and its thresholds by the ethics committee.
    evaluated
        Whether the release was evaluated on held-out data.
    attributes
        The source attributes that its model card has, and whether each has an answer.
    """

    problems: tuple[str, ...]
    profile: str
    passed: bool
    approved: bool
    evaluated: bool = True
    attributes: tuple[tuple[str, bool], ...] = ()


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
        approved=all((lineage.get(field) or {}).get("by") for field in ("approval", "ethics_approval")),
        evaluated=lineage.get("evaluated", True) is True,
        attributes=_attributes(_content(path / MODEL_CARD)),
    )


def _attributes(card: bytes | None) -> tuple[tuple[str, bool], ...]:
    rows = _CARD_ROW.finditer((card or b"").decode(errors="replace"))
    return tuple((row["id"], row["answer"].partition(":")[0].strip() not in _NO_ANSWER) for row in rows)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _json(content: bytes | None) -> dict[str, Any]:
    try:
        document = json.loads(content) if content else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
