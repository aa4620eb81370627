"""A release's files: named, listed with their hashes, checked before anything is used."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from model import places
from model.errors import UserError

LIST_FILE = "files.json"
SIGNATURE_FILE = "signature.json"
PIPELINE_FILE = "pipeline.joblib"
CONTRACT_FILE = "contract.json"
POLICY_FILE = "policy.json"
METRICS_FILE = "metrics.json"
LINEAGE_FILE = "lineage.json"
CARD_FILE = "MODEL_CARD.md"
SERVER_FILE = "model-settings.json"
DIGEST_CHARACTERS = 12


@dataclass(frozen=True)
class ReleaseFiles:
    """The checked contents of a release."""

    digest: str
    contents: Mapping[str, bytes]
    listed: bytes

    @property
    def short(self) -> str:
        """The part of the digest that names the folder."""
        return self.digest[:DIGEST_CHARACTERS]

    def text(self, name: str) -> str:
        """Return one file as text."""
        return self.contents[name].decode()


def listed(contents: Mapping[str, bytes]) -> bytes:
    """Return the file list of a release: the same contents give the same list."""
    rows = [
        {"path": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in sorted(contents.items())
    ]
    return json.dumps({"files": rows}, indent=2, sort_keys=True).encode()


def digest_of(file_list: bytes) -> str:
    """Return the digest of a file list, which is the release's identity."""
    return hashlib.sha256(file_list).hexdigest()


def read(place: str) -> ReleaseFiles:
    """Return a release's files; one that is missing, changed or not listed refuses the whole."""
    file_list = places.read_if_any(places.join(place, LIST_FILE))
    if file_list is None:
        raise UserError(f"{place} is not a release: it has no {LIST_FILE}.")
    try:
        rows = {row["path"]: row for row in json.loads(file_list)["files"]}
    except (ValueError, TypeError, KeyError):
        raise UserError(
            f"The release at {place} was changed: its {LIST_FILE} cannot be read; fetch it again."
        ) from None
    contents: dict[str, bytes] = {}
    for name, row in rows.items():
        if "/" in name or name.startswith("."):
            raise UserError(f"The release at {place} was changed: it lists a file outside of itself.")
        content = places.read_if_any(places.join(place, name))
        if content is None or hashlib.sha256(content).hexdigest() != row["sha256"]:
            raise UserError(f"The release at {place} was changed: {name} is not what was released; fetch it again.")
        contents[name] = content
    missing = {PIPELINE_FILE, CONTRACT_FILE, POLICY_FILE, METRICS_FILE, LINEAGE_FILE} - contents.keys()
    if missing:
        raise UserError(f"The release at {place} is not whole: {', '.join(sorted(missing))} is missing.")
    return ReleaseFiles(digest=digest_of(file_list), contents=contents, listed=file_list)
