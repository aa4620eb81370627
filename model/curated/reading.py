"""Reading of a source's files into the staging area, twice where one of them needs what others say."""

import contextlib
import gc
from collections.abc import Callable, Iterator
from datetime import tzinfo
from pathlib import Path, PurePosixPath

from model.curated.staging import Staging
from model.curated.work import Work, open_refusals
from model.deid.keys import Keyring
from model.deid.rules import allow_list
from model.fhir import sources
from model.fhir.medications import Drugs
from model.identity_store.recorders import Identities
from model.io.console import progress
from model.io.stored import Stored
from model.linkage.links import FirstPassNeededError, Links, first_pass

_CONNECTING = ("Patient", "patient", "Medication.", "medication.")
"""How names of files begin that hold Patients or Medications, as a Bulk Data export names them."""
_OBJECTS_BETWEEN_COLLECTIONS = 200_000


def read_all(
    files: list[Stored],
    hospital: str,
    ring: Keyring,
    zone: tzinfo,
    scratch: Path,
    opened: contextlib.ExitStack,
    *,
    staging: Callable[[Path], Staging],
    identities: Identities | None = None,
) -> tuple[Work, Path]:
    """Read all files; a second time when one of them needs what others say before it can be read."""
    links = Links(Drugs(allow_list()))
    while True:
        folder = scratch / ("again" if links.complete else "once")
        folder.mkdir()
        with contextlib.ExitStack() as tried:
            rows = tried.enter_context(staging(folder))
            try:
                with open_refusals(folder) as reasons, progress("files", len(files)) as advance:
                    work = Work(hospital, ring, rows, zone, allow_list(), reasons, links, identities)
                    for number, stored in _connecting_first(files):
                        work.take_file(sources.read(stored), number)
                        advance(1)
            except FirstPassNeededError:
                links = first_pass(files, allow_list())
                if identities is not None:
                    identities.clear()
                continue
            opened.enter_context(tried.pop_all())
            return work, folder


def _connecting_first(files: list[Stored]) -> list[tuple[int, Stored]]:
    """Return the files with their numbers, those first that say most of others, so that a first pass is known soon."""
    return sorted(enumerate(files), key=lambda one: not PurePosixPath(one[1].place).name.startswith(_CONNECTING))


@contextlib.contextmanager
def rare_collection() -> Iterator[None]:
    """Look for cycles rarely: parsed JSON has none, and is freed as soon as it is used."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
