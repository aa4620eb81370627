"""Candidates: evaluated runs in storage, from which releases are published.

Training writes candidates and cannot write releases; promotion reads candidates and writes releases. A candidate lies
at ``PLACE/DIGEST12``, where DIGEST12 is the beginning of the SHA-256 of its file list.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.artifact import files
from model.errors import UserError
from model.evaluation.run import EVALUATION_FILE, read_evaluation
from model.io import storage
from model.training.run import FIT_FILE, RUN_FILE, TEST_FILE, read_run

LIST_FILE = "candidate.json"
_NEEDED = (RUN_FILE, files.PIPELINE_FILE, FIT_FILE, TEST_FILE, EVALUATION_FILE)


@dataclass(frozen=True)
class Candidate:
    """A stored candidate: its storage and digest; ``changed`` is false if it was stored before."""

    place: str
    digest: str
    changed: bool


def submit(folder: Path, to: str) -> Candidate:
    """Store an evaluated run as a candidate at ``to/DIGEST12``; its file list is written last.

    Parameters
    ----------
    folder : Path
        The run's folder, evaluated.
    to : str
        Folder or S3 prefix of all candidates.

    Raises
    ------
    UserError
        If the folder is no run, has no evaluation, or the storage cannot be written.
    """
    read_run(folder)
    read_evaluation(folder)
    contents = {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    }
    file_list = files.listed(contents)
    digest = files.digest_of(file_list)[: files.DIGEST_CHARACTERS]
    place = storage.join(to, digest)
    if storage.read_if_any(storage.join(place, LIST_FILE)) == file_list:
        return Candidate(place, digest, changed=False)
    for name, content in contents.items():
        storage.create(storage.join(place, name), content)
    storage.create(storage.join(place, LIST_FILE), file_list)
    return Candidate(place, digest, changed=True)


@contextlib.contextmanager
def run_folder(source: str) -> Iterator[Path]:
    """Give the folder of a run: the one that is named, or a temporary copy of a candidate.

    Parameters
    ----------
    source : str
        Folder of a run; folder or S3 prefix of a candidate; or S3 prefix of all candidates, which means the newest.

    Raises
    ------
    UserError
        If there is no candidate, or it is not as it was stored.
    """
    stored = storage.read_if_any(storage.join(source, LIST_FILE)) is not None
    if not stored and not storage.is_s3(source):
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="candidate-") as folder:
        fetch(source if stored else newest(source), Path(folder))
        yield Path(folder)


def newest(candidates: str) -> str:
    """Return the storage of the newest complete candidate.

    Raises
    ------
    UserError
        If there is none.
    """
    lists = [stored for stored in storage.listing(candidates) if stored.place.endswith(f"/{LIST_FILE}")]
    if not lists:
        raise UserError(f"There is no candidate at {candidates}; run training first.")
    return storage.parent(min(lists, key=lambda stored: stored.age).place)


def fetch(place: str, folder: Path) -> None:
    """Copy a candidate to an empty local folder; a file that is missing, changed or not listed refuses the whole.

    Raises
    ------
    UserError
        If the candidate is not as it was stored.
    """
    file_list = storage.read_if_any(storage.join(place, LIST_FILE))
    if file_list is None:
        raise UserError(f"{place} is not a candidate: it has no {LIST_FILE}; run training again.")
    name = files.folder_name(place)
    if len(name) != files.DIGEST_CHARACTERS or not files.digest_of(file_list).startswith(name):
        raise UserError(f"The candidate at {place} was changed: its digest is another; run training again.")
    contents = files.listed_contents(place, file_list, beside={LIST_FILE})
    missing = sorted(set(_NEEDED) - contents.keys())
    if missing:
        raise UserError(f"The candidate at {place} lacks {', '.join(missing)}; run training again.")
    for name, content in contents.items():
        (folder / name).write_bytes(content)
