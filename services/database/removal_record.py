"""Record of a removal of databases: one file before it and one after it, in the hospital's audit bucket."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from model.io import storage
from services.database.removal import Removal


@dataclass(frozen=True)
class Record:
    """Record of a removal: its chain, and who approved it.

    Parameters
    ----------
    log
        Folder of the records.
    hospital
        The hospital that left.
    approved_by, reason
        The approval in the hospital's entry.
    """

    log: str
    hospital: str
    approved_by: str
    reason: str

    def write(self, stage: Literal["begun", "done"], removal: Removal) -> str:
        """Write what is about to be removed, or was, and return the file; UserError if it cannot be written."""
        now = datetime.now(UTC)
        content = {
            "hospital": self.hospital,
            "stage": stage,
            "at": now.isoformat(timespec="seconds"),
            "approvedBy": self.approved_by,
            "reason": self.reason,
            **asdict(removal),
        }
        place = f"{self.log.rstrip('/')}/{now:%Y-%m-%dT%H-%M-%S.%fZ}-{stage}.json"
        storage.create(place, json.dumps(content, indent=1, sort_keys=True).encode())
        return place
