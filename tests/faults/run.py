"""Runs a fault under load, and compares what clients got with the audit chain."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from model.release.signing import LocalSigner
from services.audit import chain
from services.audit.anchors import Anchor, StoredAnchor
from services.audit.records import Record
from services.audit.verify import Verification, verify
from services.database.schemas import Schema
from tests.faults.faults import Fault, small_disk
from tests.faults.load import GOOD, Attempt, Load
from tests.support.care.clinical_path import ClinicalPath
from tests.support.vault.bao_server import HOSPITAL

NOT_WRITTEN = "503 Audit record not written"


@dataclass(frozen=True)
class Result:
    """What came of a fault.

    Parameters
    ----------
    fault
        Its name.
    got
        What each client got while it lasted, and how often.
    recovery_seconds
        From its end until every client got what it should, by client.
    wrong
        Answers that say something wrong.
    unrecorded
        Answers whose record is not in the chain, or says something else.
    faults_of_the_chain
        What the verification says.
    """

    fault: str
    got: dict[str, Counter[str]]
    recovery_seconds: dict[str, float]
    wrong: list[str]
    unrecorded: list[str]
    faults_of_the_chain: list[str]


@dataclass
class Anchors:
    """Anchors of the chain in memory, signed as those of the bucket are."""

    path: ClinicalPath
    stored: list[StoredAnchor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signer = LocalSigner(self.path.folder / "audit.key")

    def anchor(self) -> None:
        """Anchor the head of the chain."""
        with self.path.databases[Schema.AUDIT].engine("audit-reader").connect() as connection:
            head = chain.head(connection)
        assert head is not None
        anchor = Anchor(HOSPITAL, head.sequence, head.hash, datetime.now(UTC))
        self.stored.append(StoredAnchor(anchor.key(), anchor.signed(self.signer)))

    def verify(self) -> Verification:
        """Verify the chain with the values beside it, as ``python -m services.audit verify`` does."""
        with self.path.databases[Schema.AUDIT].engine("audit-reader").connect() as connection:
            return verify(
                chain.records(connection),
                self.stored,
                hospital=HOSPITAL,
                trusted=frozenset(self.signer.public_keys().values()),
                values_of=lambda first, last: chain.feature_values(connection, first, last),
                now=datetime.now(UTC),
            )


@contextmanager
def on_a_small_disk(path: ClinicalPath) -> Iterator[None]:
    """Let the audit be on a small disk while the faults run."""
    with small_disk(path):
        path.planning.wait()
        path.care.wait()
        yield


def run(path: ClinicalPath, fault: Fault, anchors: Anchors) -> Result:
    """Let a fault happen while clients ask, and judge what they got."""
    before = path.records()[-1].sequence
    with Load(path, fault.clients) as load:
        load.wait_for_each(time.monotonic(), GOOD)
        anchors.anchor()
        with fault.lasting(path):
            began = time.monotonic()
            for client, outcomes in fault.seen.items():
                load.wait(partial(_seen, client=client, outcomes=outcomes, began=began))
            ended = time.monotonic()
        over = time.monotonic()
        load.wait_for_each(ended, GOOD, times=2)
    anchors.anchor()
    lasting = [one for one in load.attempts if began <= one.started and one.ended <= ended]
    after = path.records(before)
    return Result(
        fault=fault.name,
        got={name: Counter(one.outcome for one in lasting if one.client == name) for name in fault.clients},
        recovery_seconds={
            name: round(min(_good(load.attempts, name, ended)) - min(ended, over), 1) for name in fault.clients
        },
        wrong=[
            *(f"{one.client}: {one.outcome}" for one in lasting if one.outcome in fault.never),
            *_wrong_values(load.attempts),
        ],
        unrecorded=list(_unrecorded(load.attempts, after)),
        faults_of_the_chain=[one.sentence for one in anchors.verify().faults],
    )


def _seen(attempts: list[Attempt], *, client: str, outcomes: frozenset[str], began: float) -> bool:
    return any(one.client == client and one.started >= began and one.outcome in outcomes for one in attempts)


def _good(attempts: list[Attempt], client: str, after: float) -> list[float]:
    return [one.ended for one in attempts if one.client == client and one.started >= after and one.outcome in GOOD]


def _wrong_values(attempts: list[Attempt]) -> Iterator[str]:
    """Yield outcomes that say different things of one patient at different times."""
    values: dict[tuple[str, str], set[str]] = {}
    for one in attempts:
        if one.value:
            values.setdefault((one.client, one.outcome), set()).add(one.value)
    yield from (
        f"{client}: {outcome} with {len(said)} values" for (client, outcome), said in values.items() if len(said) > 1
    )


def _unrecorded(attempts: list[Attempt], records: list[Record]) -> Iterator[str]:
    """Yield the answers that have no record of their own, or another one than the answer."""
    by_number = {record.sequence: record for record in records}
    for one in attempts:
        if one.status == 0 or one.outcome == NOT_WRITTEN:
            continue  # nothing was answered
        record = by_number.get(one.record or 0)
        if record is None:
            yield f"{one.client}: {one.outcome} has no record"
        elif record.entry.request_id != one.request_id or record.entry.status != one.status:
            yield f"{one.client}: {one.outcome} has the record of another answer"
