"""History of the hospital's patients: the published curated tables, kept as files, from which one patient is read."""

import logging
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from model.curated import curated_tables
from model.curated.curated_tables import Manifest
from model.errors import UserError

CHECK_SECONDS = 60.0

log = logging.getLogger("services.care")


@dataclass(frozen=True)
class Edition:
    """One edition of the curated tables, as files ``folder/<table>/<hospital>.parquet``."""

    folder: Path
    manifest: Manifest

    def file(self, table: str) -> Path:
        """Return the file of a table."""
        return self.folder / table / f"{self.manifest.hospital}.parquet"

    @property
    def key_version(self) -> int | None:
        """Version of the pseudonym key of this edition."""
        name = self.manifest.key_version.removeprefix("v")
        return int(name) if name.isdecimal() else None


class History:
    """The newest published edition; it is looked for at most once a minute.

    Parameters
    ----------
    place
        Folder or S3 prefix of the curated tables.
    hospital
        Whose partition.
    check_seconds
        How long an edition is used before a newer one is looked for.
    """

    def __init__(self, place: str, hospital: str, check_seconds: float = CHECK_SECONDS) -> None:
        self._place = place
        self._hospital = hospital
        self._check_seconds = check_seconds
        self._lock = threading.Lock()
        self._checked = -check_seconds
        self._edition: Edition | None = None
        self._before: Edition | None = None

    def edition(self) -> Edition | None:
        """Return the newest edition; the one before when there is no newer to be had, None when there was never one."""
        with self._lock:
            if time.monotonic() - self._checked >= self._check_seconds:
                try:
                    self._update()
                except (UserError, OSError) as fault:
                    log.error("The curated tables cannot be read (%s)", type(fault).__name__)
                self._checked = time.monotonic()
            return self._edition

    def _update(self) -> None:
        manifest = curated_tables.read_manifest(curated_tables.folder(self._place, self._hospital))
        if manifest is None or (self._edition and self._edition.manifest == manifest):
            return
        folder = Path(tempfile.mkdtemp(prefix="history-"))
        try:
            manifests = curated_tables.download(self._place, folder)
            mine = next(one for one in manifests if one.hospital == self._hospital)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        # A request may still read the edition before; the one before that is in nobody's hands.
        if self._before is not None:
            shutil.rmtree(self._before.folder, ignore_errors=True)
        self._before, self._edition = self._edition, Edition(folder, mine)
