"""A chain in memory, linked and anchored as the database and the anchor do, and verified."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from model.release.signing import LocalSigner
from services.audit.anchors import Anchor, StoredAnchor
from services.audit.records import GENESIS, AuditEntry, KeptValues, Record
from services.audit.verify import Verification, verify
from tests.support.audit.audit_records import entry, features, request, scored

START = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
STEP = timedelta(seconds=1)
LOGIN = "v-north-planning-1"


def link(texts: Iterable[str], after: Record | None = None) -> list[Record]:
    """Return the records that the database would make of canonical entries."""
    records: list[Record] = []
    for text in texts:
        before = records[-1] if records else after
        number = before.sequence + 1 if before else 1
        record = Record(number, START + number * STEP, LOGIN, before.hash if before else GENESIS, b"", text)
        records.append(replace(record, hash=record.computed_hash()))
    return records


def score_entry(number: int) -> tuple[AuditEntry, KeptValues]:
    """Return an entry with one score, and its feature values."""
    values = KeptValues(bytes([number % 256]) * 32, features({"age": float(number)}))
    made = entry(request_id=request(number), scores=(scored(features_digest=values.digest()),))
    return made, values


@dataclass
class Chain:
    """Records, the anchors of some of them, and feature values."""

    signer: LocalSigner
    records: list[Record]
    anchors: list[StoredAnchor] = field(default_factory=list)
    values: dict[tuple[int, str], KeptValues] = field(default_factory=dict)

    @classmethod
    def build(cls, folder: Path, length: int, anchored: Sequence[int]) -> "Chain":
        """Return a chain whose records are scores, with anchors of the named sequences."""
        signer, entries = LocalSigner(folder / "audit.key"), [score_entry(number) for number in range(1, length + 1)]
        chain = cls(signer, link(made.canonical() for made, _ in entries))
        chain.values = {(number, values.digest()): values for number, (_, values) in enumerate(entries, 1)}
        for sequence in anchored:
            chain.anchor(sequence)
        return chain

    def anchor(self, sequence: int, signer: LocalSigner | None = None, hospital: str = "north") -> None:
        """Anchor a record."""
        record = self.records[sequence - 1]
        anchor = Anchor(hospital, record.sequence, record.hash, record.recorded_at + STEP / 2)
        self.anchors.append(StoredAnchor(anchor.key(), anchor.signed(signer or self.signer)))

    def verify(self, now: datetime | None = None) -> Verification:
        """Verify it."""
        return verify(
            self.records,
            self.anchors,
            hospital="north",
            trusted=frozenset(self.signer.public_keys().values()),
            values_of=lambda first, last: {
                key: values for key, values in self.values.items() if first <= key[0] <= last
            },
            now=now or START,
        )
