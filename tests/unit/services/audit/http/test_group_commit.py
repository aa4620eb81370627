"""Records that wait at the same time share a commit: each is answered by its own outcome, and none fails the others."""

import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from services.audit.chain import PreparedEntry
from services.audit.errors import NotRecordedError
from services.audit.http.group_commit import WAIT_SECONDS, GroupCommit, Written
from services.audit.records import Record
from services.care.planning_client import READ_SECONDS

THREADS = 6


def entry(number: int) -> PreparedEntry:
    return PreparedEntry(str(number))


class Chain:
    """A chain in memory, whose commit waits for a test."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.fault: BaseException | None = None
        self.refused: frozenset[str] = frozenset()

    def write(self, entries: Sequence[PreparedEntry]) -> list[Written]:
        self.begun.set()
        assert self.go.wait(60)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.groups.append([one.canonical for one in entries])
        return [self._written(one.canonical) for one in entries]

    def _written(self, canonical: str) -> Written:
        if canonical in self.refused:
            return NotRecordedError(f"{canonical} is refused.")
        return Record(int(canonical), datetime.now(UTC), "login", b"", b"", canonical)


def behind_one(commits: GroupCommit, chain: Chain, pool: ThreadPoolExecutor) -> list[Future[Record]]:
    """Return the appends of entries of which the first is being written, and the others wait for it."""
    appends = [pool.submit(commits.append, entry(0))]
    assert chain.begun.wait(60)
    appends += [pool.submit(commits.append, entry(number)) for number in range(1, THREADS)]
    while commits.waiting < THREADS - 1:
        os.sched_yield()
    return appends


def test_entries_that_wait_are_written_together_and_each_gets_its_own_record() -> None:
    chain = Chain()
    commits = GroupCommit(chain.write)
    with ThreadPoolExecutor(THREADS) as pool:
        appends = behind_one(commits, chain, pool)
        chain.go.set()
        assert [append.result().sequence for append in appends] == list(range(THREADS))
    first, second = chain.groups
    assert first == ["0"]
    assert sorted(second) == [str(number) for number in range(1, THREADS)]


def test_one_that_is_refused_fails_alone() -> None:
    chain = Chain()
    chain.refused = frozenset({"3"})
    commits = GroupCommit(chain.write)
    with ThreadPoolExecutor(THREADS) as pool:
        appends = behind_one(commits, chain, pool)
        chain.go.set()
        with pytest.raises(NotRecordedError, match="3 is refused"):
            appends[3].result()
        assert [append.result().sequence for append in appends if append is not appends[3]] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("fault", [MemoryError(), SystemExit()])
def test_a_writer_that_dies_leaves_nobody_waiting(fault: BaseException) -> None:
    chain = Chain()
    commits = GroupCommit(chain.write)
    died: list[BaseException] = []

    def append() -> None:
        try:
            commits.append(entry(0))
        except BaseException as raised:
            died.append(raised)

    chain.fault = fault
    writer = threading.Thread(target=append)
    writer.start()
    assert chain.begun.wait(60)
    with ThreadPoolExecutor(1) as pool:
        behind = pool.submit(commits.append, entry(1))
        while commits.waiting < 1:
            os.sched_yield()
        chain.go.set()
        assert behind.result(60).sequence == 1
    writer.join(60)
    assert died == [fault]


def test_those_whose_writer_dies_are_not_on_record() -> None:
    chain = Chain()
    commits = GroupCommit(chain.write)
    with ThreadPoolExecutor(THREADS) as pool:
        appends = behind_one(commits, chain, pool)
        original = commits._write

        def once(entries: Sequence[PreparedEntry]) -> Sequence[Written]:
            commits._write = original
            raise MemoryError

        commits._write = once
        chain.go.set()
        faults = [append.exception(60) for append in appends]
    assert faults[0] is None
    assert sorted(type(fault).__name__ for fault in faults[1:]) == ["MemoryError", *["NotRecordedError"] * 4]
    assert commits.append(entry(9)).sequence == 9


def test_an_entry_that_waits_too_long_is_not_written_later() -> None:
    chain = Chain()
    commits = GroupCommit(chain.write, wait_seconds=0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(commits.append, entry(0))
        assert chain.begun.wait(60)
        with pytest.raises(NotRecordedError, match="takes too long"):
            commits.append(entry(1))
        chain.go.set()
        assert first.result().sequence == 0
    assert commits.append(entry(2)).sequence == 2
    assert chain.groups == [["0"], ["2"]]


def test_a_refusal_for_want_of_the_chain_reaches_a_caller_that_still_waits() -> None:
    assert WAIT_SECONDS < READ_SECONDS


def test_what_is_answered_is_what_was_written_however_the_threads_run() -> None:
    chain = Chain()
    chain.go.set()
    # So short that some give up while others write, and some while they are written.
    commits = GroupCommit(chain.write, wait_seconds=1e-5)

    def work(thread: int) -> list[str]:
        chance, answered = random.Random(thread), list[str]()
        for number in range(200):
            try:
                record = commits.append(entry(thread * 1000 + number))
            except NotRecordedError:
                continue
            assert record.entry_text == str(thread * 1000 + number)
            answered.append(record.entry_text)
            if chance.random() < 0.1:
                os.sched_yield()
        return answered

    with ThreadPoolExecutor(THREADS) as pool:
        answered = [text for texts in pool.map(work, range(THREADS)) for text in texts]
    written = [text for group in chain.groups for text in group]
    assert sorted(answered) == sorted(written)
    assert len(set(written)) == len(written)
