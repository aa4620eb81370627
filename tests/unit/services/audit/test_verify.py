"""Any mutation of a chain is noticed, and the sentence names the record."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.release.signing import LocalSigner
from services.audit.anchors import StoredAnchor
from services.audit.records import KeptValues, Record
from services.audit.verify import BATCH
from tests.support.audit.audit_chain import START, STEP, Chain, link, score_entry
from tests.support.audit.audit_records import ENCOUNTER, PATIENT, entry

LENGTH = 9
ANCHORED = (4, LENGTH)

numbers = st.integers(1, LENGTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def chain(folder: Path) -> Chain:
    return Chain.build(folder, LENGTH, ANCHORED)


def changed_byte(content: bytes, position: int, difference: int) -> bytes:
    index = position % len(content)
    return content[:index] + bytes([(content[index] + difference) % 256]) + content[index + 1 :]


def change_text(text: str, position: int, difference: int) -> str:
    return changed_byte(text.encode("ascii"), position, difference).decode("latin-1")


COLUMNS: dict[str, Callable[[Record, int, int], Record]] = {
    "sequence": lambda r, p, d: replace(r, sequence=r.sequence + (d if p % 2 else -d)),
    "recorded_at": lambda r, p, d: replace(r, recorded_at=r.recorded_at + timedelta(microseconds=d * (1 + p))),
    "login": lambda r, p, d: replace(r, login=change_text(r.login, p, d)),
    "previous_hash": lambda r, p, d: replace(r, previous_hash=changed_byte(r.previous_hash, p, d)),
    "hash": lambda r, p, d: replace(r, hash=changed_byte(r.hash, p, d)),
    "entry": lambda r, p, d: replace(r, entry_text=change_text(r.entry_text, p, d)),
}

mutations = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rehashed(record: Record) -> Record:
    return replace(record, hash=record.computed_hash())


def test_an_intact_chain_has_no_fault(chain: Chain) -> None:
    report = chain.verify()
    assert report.intact
    assert (report.records, report.anchors, report.anchored) == (LENGTH, 2, LENGTH)
    assert report.anchored_at == START + LENGTH * STEP + STEP / 2


@mutations
@given(
    number=numbers,
    column=st.sampled_from(sorted(COLUMNS)),
    position=st.integers(0, 2000),
    difference=st.integers(1, 255),
    hashed_again=st.booleans(),
)
def test_any_change_of_a_column_is_noticed(
    folder: Path, number: int, column: str, position: int, difference: int, hashed_again: bool
) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    record = COLUMNS[column](chain.records[number - 1], position, difference)
    # The hash of a record alone is easily made to match; that of the next, or the anchor, then does not.
    chain.records[number - 1] = rehashed(record) if hashed_again and column != "hash" else record
    report = chain.verify()
    assert not report.intact
    assert any(
        f"ecord {record.sequence}" in fault.sentence or f" {number}" in fault.sentence for fault in report.faults
    )


@mutations
@given(first=numbers, count=st.integers(1, LENGTH))
def test_any_deletion_is_noticed(folder: Path, first: int, count: int) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    del chain.records[first - 1 : first - 1 + count]
    report = chain.verify()
    assert not report.intact
    assert report.faults[0].sentence.startswith(
        (f"Records {first} to", f"Record {first} is missing", f"Record {first + count} ")
    )


@mutations
@given(number=st.integers(1, LENGTH + 1), copied=numbers, renumbered=st.booleans())
def test_any_insertion_is_noticed(folder: Path, number: int, copied: int, renumbered: bool) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    extra = chain.records[copied - 1]
    if renumbered:
        before = chain.records[number - 2] if number > 1 else None
        [extra] = link([entry().canonical()], before)
    chain.records.insert(number - 1, extra)
    # A well-linked record at the end is an append that is not anchored yet.
    assert chain.verify().intact == (renumbered and number == LENGTH + 1)


@mutations
@given(pair=st.lists(numbers, min_size=2, max_size=2, unique=True), renumbered=st.booleans())
def test_any_swap_is_noticed(folder: Path, pair: list[int], renumbered: bool) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    one, other = (chain.records[number - 1] for number in pair)
    if renumbered:
        one, other = replace(one, sequence=other.sequence), replace(other, sequence=one.sequence)
        one, other = rehashed(one), rehashed(other)
    chain.records[pair[0] - 1], chain.records[pair[1] - 1] = other, one
    assert not chain.verify().intact


@mutations
@given(left=st.integers(0, LENGTH - 1))
def test_a_cut_tail_is_noticed(folder: Path, left: int) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    chain.records = chain.records[:left]
    report = chain.verify()
    first = left + 1
    missing = f"Record {first} is missing" if first == LENGTH else f"Records {first} to {LENGTH} are missing"
    assert missing in " ".join(fault.sentence for fault in report.faults)


@mutations
@given(number=numbers)
def test_a_chain_that_was_rebuilt_is_noticed(folder: Path, number: int) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    texts = [record.entry_text for record in chain.records]
    texts[number - 1] = texts[number - 1].replace('"status":200', '"status":201')
    chain.records = link(texts)
    report = chain.verify()
    assert [fault.sequence for fault in report.faults] == [at for at in ANCHORED if at >= number]
    assert "is not the one that was anchored" in report.faults[0].sentence
    # Whoever also signs the new head cannot remove the anchors that are there.
    chain.anchor(LENGTH)
    assert not chain.verify().intact


@mutations
@given(number=numbers, position=st.integers(0, 200), difference=st.integers(1, 255), salt=st.booleans())
def test_any_change_of_feature_values_is_noticed(
    folder: Path, number: int, position: int, difference: int, salt: bool
) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    [key] = [key for key in chain.values if key[0] == number]
    kept = chain.values[key]
    chain.values[key] = KeptValues(
        changed_byte(kept.salt, position, difference) if salt else kept.salt,
        kept.content if salt else changed_byte(kept.content, position, difference),
    )
    assert [fault.sequence for fault in chain.verify().faults] == [number]


@mutations
@given(position=st.integers(0, 2000), difference=st.integers(1, 255), which=st.sampled_from([0, 1]))
def test_any_change_of_an_anchor_is_noticed(folder: Path, position: int, difference: int, which: int) -> None:
    chain = Chain.build(folder, LENGTH, ANCHORED)
    stored = chain.anchors[which]
    changed = changed_byte(stored.content, position, difference)
    chain.anchors[which] = replace(stored, content=changed)
    assert not chain.verify().intact


def test_missing_values_need_a_record_of_their_erasure(chain: Chain) -> None:
    del chain.values[next(iter(chain.values))]
    assert [fault.sequence for fault in chain.verify().faults] == [1]
    for wrong in (entry(action="erase-features"), entry(action="erase-features", encounter="v1-999999")):
        chain.records = [*chain.records[:LENGTH], *link([wrong.canonical()], chain.records[LENGTH - 1])]
        assert [fault.sequence for fault in chain.verify().faults] == [1]
    for right in (entry(action="erase-features", encounter=ENCOUNTER), entry(action="erase-features", patient=PATIENT)):
        chain.records = [*chain.records[:LENGTH], *link([right.canonical()], chain.records[LENGTH - 1])]
        report = chain.verify()
        assert report.intact
        assert report.erased == 1


def test_an_erasure_does_not_cover_later_records(folder: Path) -> None:
    chain = Chain.build(folder, 1, [])
    erasure = link([entry(action="erase-features", encounter=ENCOUNTER).canonical()], chain.records[0])
    made, _ = score_entry(3)
    chain.records += [*erasure, *link([made.canonical()], erasure[0])]
    assert [fault.sequence for fault in chain.verify().faults] == [3]


def test_an_anchor_of_a_stranger_or_of_another_hospital_is_a_fault(chain: Chain, tmp_path: Path) -> None:
    chain.anchor(5, LocalSigner(tmp_path / "stranger.key"))
    assert "not signed by a trusted key" in chain.verify().faults[0].sentence
    chain.anchors.pop()
    chain.anchor(5, hospital="south")
    assert "another hospital" in chain.verify().faults[0].sentence
    chain.anchors[-1] = StoredAnchor("note.txt", b"[]")
    assert "note.txt is not an anchor" in chain.verify().faults[0].sentence


def test_a_chain_that_nobody_anchors_is_a_fault(folder: Path) -> None:
    chain = Chain.build(folder, 3, [2])
    assert chain.verify(now=START + 60 * STEP).intact
    report = chain.verify(now=START + 64 * STEP)
    assert [fault.sequence for fault in report.faults] == [3]
    assert "is not anchored" in report.faults[0].sentence
    assert Chain.build(folder, 0, []).verify().intact


def test_a_record_of_another_hospital_or_of_no_program_is_a_fault(folder: Path) -> None:
    chain = Chain.build(folder, 1, [1])
    for text, words in {
        entry("south").canonical(): "is of the hospital south",
        '{"a":1}': "is not an audit entry",
        entry().canonical().replace('"hospital"', ' "hospital"'): "is not in canonical JSON",
    }.items():
        chain.records = [chain.records[0], *link([text], chain.records[0])]
        [fault] = chain.verify().faults
        assert fault.sequence == 2
        assert words in fault.sentence


def test_values_are_checked_in_batches(folder: Path) -> None:
    length = BATCH + 3
    chain = Chain.build(folder, length, [length])
    assert chain.verify().intact
    chain.values = {key: values for key, values in chain.values.items() if key[0] not in {2, length}}
    assert [fault.sequence for fault in chain.verify().faults] == [2, length]


def test_only_the_first_faults_are_kept(chain: Chain) -> None:
    chain.records = [replace(record, login="another") for record in chain.records] * 5
    report = chain.verify()
    assert len(report.faults) == 20 < report.fault_count
