"""Release files: names, the file list with SHA-256 hashes, and the integrity check."""

import hashlib
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from model.errors import UserError
from model.io import storage

_NAMES: dict[str, str] = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
LIST_FILE = _NAMES["list"]
SIGNATURE_FILE = _NAMES["signature"]
PIPELINE_FILE = _NAMES["pipeline"]
COMPILED_FILE = _NAMES["compiled"]
CONTRACT_FILE = _NAMES["contract"]
POLICY_FILE = _NAMES["policy"]
METRICS_FILE = _NAMES["metrics"]
LINEAGE_FILE = _NAMES["lineage"]
REFERENCE_FILE = _NAMES["reference"]
SBOM_FILE = _NAMES["sbom"]
CARD_FILE = _NAMES["card"]
REPORT_FILE = _NAMES["report"]
SERVER_FILE = _NAMES["server"]
NEEDED = frozenset(
    {
        PIPELINE_FILE,
        CONTRACT_FILE,
        POLICY_FILE,
        METRICS_FILE,
        LINEAGE_FILE,
        REFERENCE_FILE,
        SBOM_FILE,
        CARD_FILE,
        SERVER_FILE,
    }
)
DIGEST_CHARACTERS = 12
ANY_FOLDER = ""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
# What a killed write leaves beside its file; it is never listed and never read.
_LEFT_OVER = ".part-"


@dataclass(frozen=True)
class ReleaseFiles:
    """Verified contents of a release."""

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


def read(place: str, *, named: str | None = None) -> ReleaseFiles:
    """Return a release's files; one that is missing, changed, added or linked refuses the whole.

    Parameters
    ----------
    place : str
        The release's folder or S3 prefix.
    named : str, optional
        How its digest must begin: as the folder is called unless given; ``ANY_FOLDER`` where a platform has
        mounted the release under a name of its own and what it must be is checked otherwise.

    Raises
    ------
    UserError
        When anything is not as it was released.
    """
    file_list = storage.read_if_any(storage.join(place, LIST_FILE))
    if file_list is None:
        raise UserError(f"{place} is not a release: it has no {LIST_FILE}.")
    digest = digest_of(file_list)
    wanted = folder_name(place) if named is None else named
    if not digest.startswith(wanted) or (named is None and len(wanted) < DIGEST_CHARACTERS):
        raise UserError(
            f"The release at {place} was changed or its folder renamed: its digest is {digest[:DIGEST_CHARACTERS]}, "
            f"not {wanted}; fetch it again and keep the folder's name."
        )
    contents = listed_contents(place, file_list, beside={LIST_FILE, SIGNATURE_FILE})
    missing = NEEDED - contents.keys()
    if missing:
        raise UserError(f"The release at {place} is incomplete: {', '.join(sorted(missing))} is missing.")
    return ReleaseFiles(digest=digest, contents=contents, listed=file_list)


def listed_contents(place: str, file_list: bytes, *, beside: AbstractSet[str]) -> dict[str, bytes]:
    """Return the contents of all listed files; one that is missing, changed, added or linked refuses the whole.

    Parameters
    ----------
    place : str
        The folder or S3 prefix.
    file_list : bytes
        The file list.
    beside : set of str
        Names that may exist without being listed.

    Raises
    ------
    UserError
        If the files are not those of the list.
    """
    hashes = _hashes(file_list, place)
    _refuse_strangers(place, hashes.keys() | beside)
    contents: dict[str, bytes] = {}
    for name, sha256 in hashes.items():
        content = storage.read_if_any(storage.join(place, name))
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            raise UserError(f"The release at {place} was changed: {name} is not what was released; fetch it again.")
        contents[name] = content
    return contents


def folder_name(place: str) -> str:
    """Return the name of a folder, or the last part of an S3 prefix."""
    return place.rstrip("/").rpartition("/")[2] if storage.is_s3(place) else Path(place).resolve().name


def _hashes(file_list: bytes, place: str) -> dict[str, str]:
    """Return the hash of each listed file."""
    try:
        rows = [(str(row["path"]), str(row["sha256"])) for row in json.loads(file_list)["files"]]
    except (ValueError, TypeError, KeyError):
        raise UserError(
            f"The release at {place} was changed: its {LIST_FILE} cannot be read; fetch it again."
        ) from None
    if any(not _PLAIN_NAME.fullmatch(name) for name, _ in rows):
        raise UserError(f"The release at {place} was changed: it lists a file outside its own folder; fetch it again.")
    if len(dict(rows)) != len(rows):
        raise UserError(f"The release at {place} was changed: it lists a file twice; fetch it again.")
    return dict(rows)


def _refuse_strangers(place: str, known: AbstractSet[str]) -> None:
    """Refuse a file that was not released, and a link in place of a file."""
    if storage.is_s3(place):
        prefix = place.rstrip("/") + "/"
        strangers = any(stored.place.removeprefix(prefix) not in known for stored in storage.listing(prefix))
    else:
        unknown = [path for path in Path(place).iterdir() if not path.name.startswith(_LEFT_OVER)]
        if any(path.is_symlink() for path in unknown):
            raise UserError(f"The release at {place} was changed: it contains a symlink; fetch it again.")
        strangers = any(path.name not in known for path in unknown)
    if strangers:
        raise UserError(f"The release at {place} was changed: it contains an unlisted file; fetch it again.")
