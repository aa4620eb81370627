"""Replay of a score: the release that is on record, with the feature values beside the record, bit for bit."""

import json
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import Connection

from model.artifact.files import DIGEST_CHARACTERS
from model.scoring import Score, Scorer
from model.scoring.contract import Floats, Values
from services.audit import chain
from services.audit.errors import AuditError
from services.audit.records import AuditEntry, KeptValues, Record, ReleaseRef, ScoredEncounter
from services.audit.verify import ERASE


class Model(Protocol):
    """A release that scores rows of features."""

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the model's order."""
        ...

    def matrix(self, columns: Mapping[str, Values]) -> Floats:
        """Return named columns in the model's order."""
        ...

    def score(self, values: Floats) -> list[Score]:
        """Score discharges, one a row; NaN is missing."""
        ...


@dataclass(frozen=True)
class Replay:
    """A score of a record, rebuilt.

    Parameters
    ----------
    sequence, encounter
        The record and the encounter.
    outcome
        ``same``: rebuilt bit for bit. ``differs``: it is another risk. ``erased``: its feature values were erased on
        record. ``not-a-score``: the answer was no score of the release.
    recorded, rebuilt
        The risk on record, and the one that was rebuilt.
    sentence
        The result for a person.
    """

    sequence: int
    encounter: str
    outcome: Literal["same", "differs", "erased", "not-a-score"]
    recorded: float | None
    rebuilt: float | None
    sentence: str


def release_folder(releases: str, release: ReleaseRef) -> str:
    """Return the folder of a release below the folder of all releases; its name is the beginning of the digest."""
    return f"{releases.rstrip('/')}/{release.version}/{release.digest[:DIGEST_CHARACTERS]}"


def open_release(place: str, release: ReleaseRef, trusted: Collection[str] | None) -> Scorer:
    """Return the release of a record from its folder, after its hashes and signature were checked."""
    scorer = Scorer.open(place, trusted=trusted, named=release.digest)
    if (scorer.name, scorer.version) != (release.model, release.version):
        raise AuditError(f"The release at {place} is {scorer.name} {scorer.version}, not the one on record.")
    return scorer


def replay(
    connection: Connection, sequence: int, open_model: Callable[[ReleaseRef], Model], *, hospital: str
) -> list[Replay]:
    """Rebuild every score of a record.

    Parameters
    ----------
    connection : Connection
        A connection with a login of ``audit-reader``.
    sequence : int
        The record.
    open_model : callable
        Returns the release that the record names.
    hospital : str
        The hospital of the chain.

    Raises
    ------
    AuditError
        If there is no such record, it holds no score, it was changed, or values are missing without an erasure.
    """
    record = chain.get(connection, sequence)
    require_unchanged(record, hospital)
    if not record.entry.scores:
        raise AuditError(f"Record {sequence} holds no score; name a record of an answer with scores.")
    return replay_record(connection, record, kept_values(connection, record), open_model)


def require_unchanged(record: Record, hospital: str) -> None:
    """Refuse a record that does not match its hash, or is of another hospital."""
    if record.computed_hash() != record.hash or record.entry.hospital != hospital:
        raise AuditError(f"Record {record.sequence} was changed or is of another hospital; run verify.")


def kept_values(connection: Connection, record: Record) -> dict[str, KeptValues]:
    """Return the feature values beside a record, by digest; erased ones are absent."""
    found = chain.feature_values(connection, record.sequence, record.sequence)
    return {digest: values for (_, digest), values in found.items()}


def replay_record(
    connection: Connection, record: Record, kept: Mapping[str, KeptValues], open_model: Callable[[ReleaseRef], Model]
) -> list[Replay]:
    """Rebuild every score of a record, in the order of its scores, from the values beside it; as :func:`replay`."""
    return [_replayed(connection, record, score, kept, open_model) for score in record.entry.scores]


def _replayed(
    connection: Connection,
    record: Record,
    score: ScoredEncounter,
    kept: Mapping[str, KeptValues],
    open_model: Callable[[ReleaseRef], Model],
) -> Replay:
    entry, place = record.entry, f"of encounter {score.encounter} in record {record.sequence}"
    release = score.release or entry.release
    if score.status != "scored" or score.risk is None or release is None or score.features_digest is None:
        sentence = f"The answer {place} was {score.status}, no score of a release with its feature values on record."
        return Replay(record.sequence, score.encounter, "not-a-score", score.risk, None, sentence)
    if score.features_digest not in kept:
        erasure = _erasure(connection, record, score)
        sentence = (
            f"The feature values {place} were erased at {erasure.entry.occurred_at:%Y-%m-%d %H:%M} UTC by "
            f"{erasure.entry.caller} (record {erasure.sequence}): the score cannot be rebuilt."
        )
        return Replay(record.sequence, score.encounter, "erased", score.risk, None, sentence)
    model = open_model(release)
    alone = model.score(_matrix(model, [values_of(kept[score.features_digest], score)]))[0].risk
    rebuilt = alone if _bits(alone) == _bits(score.risk) else _in_batch(model, entry, score, kept, alone)
    if _bits(rebuilt) == _bits(score.risk):
        sentence = f"The score {place} was rebuilt bit for bit: {score.risk!r}."
        return Replay(record.sequence, score.encounter, "same", score.risk, rebuilt, sentence)
    sentence = f"The score {place} is {score.risk!r}, and the release gives {rebuilt!r} for the same values."
    return Replay(record.sequence, score.encounter, "differs", score.risk, rebuilt, sentence)


def _in_batch(
    model: Model, entry: AuditEntry, score: ScoredEncounter, kept: Mapping[str, KeptValues], alone: float
) -> float:
    """Return the risk from all scores of the request at once: a sum of floats may depend on how many rows there are."""
    scored = [
        other
        for other in entry.scores
        if other.status == "scored" and other.features_digest and other.release == score.release
    ]
    if len(scored) < 2 or any(other.features_digest not in kept for other in scored):
        return alone
    rows = [values_of(kept[str(other.features_digest)], other) for other in scored]
    return model.score(_matrix(model, rows))[scored.index(score)].risk


def values_of(kept: KeptValues, score: ScoredEncounter) -> dict[str, float | str | None]:
    """Return the feature values of a score by name; AuditError if they do not match the digest on record."""
    if kept.digest() != score.features_digest:
        raise AuditError("Feature values beside a record were changed; run verify.")
    values: dict[str, float | str | None] = json.loads(kept.content, parse_int=float)
    return values


def _matrix(model: Model, rows: list[dict[str, float | str | None]]) -> Floats:
    missing = set(model.names) - rows[0].keys()
    if missing:
        raise AuditError(f"The kept values lack {', '.join(sorted(missing))}, which the release needs.")
    return model.matrix({name: [row[name] for row in rows] for name in model.names})


def _bits(number: float) -> bytes:
    return struct.pack(">d", number)


def _erasure(connection: Connection, record: Record, score: ScoredEncounter) -> Record:
    """Return the record of an erasure, without which missing values are a fault."""
    for about in (score.encounter, score.patient):
        if about is None:
            continue
        for later in chain.records(connection, after=record.sequence, about=about):
            entry = later.entry
            if entry.action == ERASE and entry.outcome == "answered" and about in {entry.encounter, entry.patient}:
                return later
    raise AuditError(
        f"The feature values of record {record.sequence} are missing, and no record says that they were erased."
    )
