"""Verification of a chain against its anchors: any change, gap, reordering, cut tail or rebuilt chain is a fault."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.audit import anchors
from services.audit.anchors import Anchor, StoredAnchor
from services.audit.errors import AuditError
from services.audit.records import GENESIS, AuditEntry, KeptValues, Record, timestamp
from services.audit.refusals import Refusals

MOST_FAULTS = 20
LATEST_ANCHOR = timedelta(minutes=1)
"""A record older than this without an anchor after it is a fault: nobody signs the chain."""
ERASE = "erase-features"
BATCH = 500


# Returns the kept feature values of the records of a range of sequences, by sequence and digest.
ValuesOf = Callable[[int, int], Mapping[tuple[int, str], KeptValues]]


@dataclass(frozen=True)
class Fault:
    """Fault of a chain, in one sentence; with its record, where it is about one."""

    sentence: str
    sequence: int | None = None


@dataclass
class Verification:
    """Result of the verification of a chain.

    Parameters
    ----------
    records
        Records that were read.
    anchors
        Anchors that are signed by a trusted key.
    anchored
        Sequence of the last anchored record; what comes after it could be cut off without a trace.
    anchored_at
        When that was.
    erased
        Feature values that were erased on record.
    faults
        The first faults; none if the chain is intact.
    fault_count
        How many faults there are.
    missing_refusals
        Refusals that the gateway logged and that are not on record.
    notices
        What is missing on record though the chain is intact, one sentence each.
    """

    records: int = 0
    anchors: int = 0
    anchored: int = 0
    anchored_at: datetime | None = None
    erased: int = 0
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    missing_refusals: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault_count == 0

    def add(self, sentence: str, sequence: int | None = None) -> None:
        """Add a fault."""
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(sentence, sequence))


def verify(
    records: Iterable[Record],
    stored: Iterable[StoredAnchor],
    *,
    hospital: str,
    trusted: Collection[str],
    values_of: ValuesOf,
    now: datetime,
) -> Verification:
    """Verify a whole chain.

    Parameters
    ----------
    records : iterable of Record
        All records, as the database holds them, in the order of their sequence.
    stored : iterable of StoredAnchor
        All anchors of the bucket, unverified.
    hospital : str
        The hospital of the chain.
    trusted : collection of str
        Public keys, base64, that sign its anchors.
    values_of : callable
        Returns the kept feature values of a range of sequences.
    now : datetime
        The time, to see whether somebody still anchors.
    """
    report = Verification()
    by_sequence = _trusted_anchors(stored, hospital, trusted, report)
    values, refusals = _Values(values_of, report), Refusals()
    last: Record | None = None
    unanchored: Record | None = None
    for record in linked(records, report):
        report.records += 1
        entry = _check_entry(record, hospital, report)
        if entry is not None:
            refusals.read(record, entry)
        for anchor in by_sequence.pop(record.sequence, ()):
            if anchor.hash != record.hash:
                report.add(
                    f"Record {record.sequence} is not the one that was anchored at {timestamp(anchor.anchored_at)}: it "
                    "or a record before it was replaced.",
                    record.sequence,
                )
        values.check(record)
        last = record
        if unanchored is None and record.sequence > report.anchored:
            unanchored = record
    values.finish()
    report.missing_refusals, report.notices = refusals.missing, refusals.notices(now)
    end = last.sequence if last else 0
    for sequence in sorted(by_sequence):
        if sequence > end:
            report.add(
                f"{_missing(end + 1, sequence)}: record {sequence} was anchored at "
                f"{timestamp(by_sequence[sequence][0].anchored_at)}.",
                sequence,
            )
    if unanchored is not None and now - unanchored.recorded_at > LATEST_ANCHOR:
        report.add(
            f"Record {unanchored.sequence} of {timestamp(unanchored.recorded_at)} is not anchored; start the anchor.",
            unanchored.sequence,
        )
    return report


def linked(records: Iterable[Record], report: Verification, after: Record | Anchor | None = None) -> Iterator[Record]:
    """Yield records, and add a fault for each that is not linked to the one before.

    Parameters
    ----------
    records : iterable of Record
        The records after ``after``.
    report : Verification
        Gets the faults.
    after : Record or Anchor, optional
        The record that the first is linked to; by default the chain starts with the first.
    """
    sequence, previous = (after.sequence, after.hash) if after else (0, GENESIS)
    time: datetime | None = None
    for record in records:
        number = record.sequence
        if number > sequence + 1:
            report.add(f"{_missing(sequence + 1, number - 1)}.", sequence + 1)
        elif number <= sequence:
            report.add(f"Record {number} is out of order: it comes after record {sequence}.", number)
        if record.previous_hash != previous:
            before = f"record {sequence}" if sequence else "the start of the chain"
            report.add(f"Record {number} does not follow {before}: one of the two was replaced.", number)
        if record.computed_hash() != record.hash:
            report.add(f"Record {number} was changed: its hash does not match its content.", number)
        if time is not None and record.recorded_at < time:
            report.add(f"Record {number} is older than the record before it.", number)
        yield record
        sequence, previous, time = number, record.hash, record.recorded_at


def _missing(first: int, last: int) -> str:
    return f"Record {first} is missing" if first == last else f"Records {first} to {last} are missing"


def _trusted_anchors(
    stored: Iterable[StoredAnchor], hospital: str, trusted: Collection[str], report: Verification
) -> dict[int, list[Anchor]]:
    found: dict[int, list[Anchor]] = defaultdict(list)
    for item in stored:
        try:
            anchor = anchors.read(item.content, hospital, trusted)
        except AuditError as fault:
            report.add(f"The object {item.name} {fault}; find out who wrote it.")
            continue
        found[anchor.sequence].append(anchor)
        report.anchors += 1
        if anchor.sequence >= report.anchored:
            report.anchored, report.anchored_at = anchor.sequence, anchor.anchored_at
    return found


def _check_entry(record: Record, hospital: str, report: Verification) -> AuditEntry | None:
    try:
        entry = record.entry
    except AuditError as fault:
        report.add(f"Record {record.sequence} {fault}; the login {record.login} wrote it.", record.sequence)
        return None
    if entry.hospital != hospital:
        report.add(f"Record {record.sequence} is of the hospital {entry.hospital}.", record.sequence)
    return entry


class _Values:
    """Check of the feature values: all are there and match, or their erasure is on record."""

    def __init__(self, values_of: ValuesOf, report: Verification) -> None:
        self._values_of = values_of
        self._report = report
        self._batch: list[tuple[int, AuditEntry]] = []
        # What is missing until a later record says that it was erased: record and pseudonyms.
        self._missing: list[tuple[int, frozenset[str]]] = []

    def check(self, record: Record) -> None:
        """Take a record; it is checked with others."""
        try:
            entry = record.entry
        except AuditError:
            return
        if any(score.features_digest for score in entry.scores):
            self._batch.append((record.sequence, entry))
        if len(self._batch) >= BATCH:
            self._check_batch()
        if entry.action == ERASE and entry.outcome == "answered":
            self._check_batch()
            erased = {entry.encounter, entry.patient} - {None}
            left = [item for item in self._missing if not item[1] & erased]
            self._report.erased += len(self._missing) - len(left)
            self._missing = left

    def finish(self) -> None:
        """Check the rest, and say what is missing."""
        self._check_batch()
        for sequence, _ in self._missing:
            self._report.add(
                f"The feature values of record {sequence} are missing, and no record says that they were erased.",
                sequence,
            )

    def _check_batch(self) -> None:
        if not self._batch:
            return
        kept = self._values_of(self._batch[0][0], self._batch[-1][0])
        for sequence, entry in self._batch:
            for score in entry.scores:
                if score.features_digest is None:
                    continue
                values = kept.get((sequence, score.features_digest))
                if values is None:
                    named = frozenset(name for name in (score.encounter, score.patient) if name)
                    self._missing.append((sequence, named))
                elif values.digest() != score.features_digest:
                    self._report.add(f"The feature values of record {sequence} were changed.", sequence)
        self._batch = []
