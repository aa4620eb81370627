"""What changed between Tuesday and Thursday."""

from dataclasses import replace
from datetime import UTC, datetime

from services.audit.changes import Change, changes
from services.audit.configuration import Deployment, start_entry
from services.audit.records import AuditEntry, Record
from tests.support.audit.audit_chain import START, STEP, link
from tests.support.audit.audit_records import RELEASE, entry, scored

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def at(number: int) -> datetime:
    return START + number * STEP


def chain(*entries: AuditEntry) -> list[Record]:
    return link(made.canonical() for made in entries)


def start(settings: bytes, by: str | None = "deployer", policies: str | None = None) -> AuditEntry:
    deployment = Deployment(by, policies)
    return start_entry("care", "north", {"settings": settings}, deployment=deployment, release=None, at=START)


def seen(found: list[Change]) -> list[tuple[int, str, str | None, str | None]]:
    return [(change.sequence, change.name, change.before, change.after) for change in found]


def test_a_release_changes_with_its_first_record() -> None:
    second = replace(RELEASE, version="v2", digest="d4" * 32, threshold=0.3)
    records = chain(*(entry(release=release) for release in (RELEASE, RELEASE, second, second, RELEASE)))
    found = list(changes(records, at(2), at(5)))
    assert seen(found) == [
        (3, "version", "v1", "v2"),
        (3, "digest", "c3" * 32, "d4" * 32),
        (3, "threshold", "0.2", "0.3"),
    ]
    assert {change.subject for change in found} == {"release planning discharge-worklist readmission-risk-v1"}
    assert {change.at for change in found} == {at(3)}


def test_the_value_before_is_older_than_the_time() -> None:
    records = chain(entry(release=RELEASE), entry(), entry(release=replace(RELEASE, threshold=0.5)), entry())
    assert seen(list(changes(records, at(3), at(4)))) == [(3, "threshold", "0.2", "0.5")]
    assert list(changes(records, at(4), at(9))) == []
    assert list(changes(records, at(2), at(3))) == []


def test_what_appears_and_disappears_is_a_change() -> None:
    records = chain(entry(release=replace(RELEASE, threshold=None)), entry(release=RELEASE))
    names = [name for _, name, _, _ in seen(list(changes(records, *ALWAYS)))]
    assert names == ["version", "digest", "threshold"]
    records = chain(entry(release=RELEASE), entry(release=replace(RELEASE, threshold=None)))
    assert seen(list(changes(records, at(2), at(9)))) == [(2, "threshold", "0.2", None)]


def test_a_canary_is_a_release_of_its_own_beside_the_active_one() -> None:
    canary = replace(RELEASE, model="readmission-risk-v2", version="v2", digest="d4" * 32)
    both = entry(release=RELEASE, scores=(scored(), scored(release=canary)))
    stop = entry(release=canary, action="canary-stop", workflow=None)
    found = list(changes(chain(both, both, stop), *ALWAYS))
    assert {(change.sequence, change.subject) for change in found} == {
        (1, "release planning discharge-worklist readmission-risk-v1"),
        (1, "release planning discharge-worklist readmission-risk-v2"),
        (3, "release planning canary-stop readmission-risk-v2"),
    }


def test_workflows_are_apart() -> None:
    other = replace(RELEASE, version="v2")
    records = chain(entry(release=RELEASE), entry(workflow="cds-hooks", release=other), entry(release=RELEASE))
    found = list(changes(records, at(2), at(9)))
    assert {change.subject for change in found} == {"release planning cds-hooks readmission-risk-v1"}
    assert {change.before for change in found} == {None}


def test_configuration_says_who_deployed_it() -> None:
    records = chain(start(b"a"), start(b"a"), start(b"b", by="user-7"), entry())
    [change] = list(changes(records, at(2), at(9)))
    assert (change.sequence, change.subject, change.by) == (3, "configuration care settings", "user-7")
    assert change.before != change.after


def test_policies_change_by_whoever_deployed_them() -> None:
    before, after = "a1" * 32, "b2" * 32
    records = chain(start(b"a", policies=before), start(b"a", policies=before), start(b"a", "user-7", policies=after))
    [change] = list(changes(records, at(2), at(9)))
    assert (change.sequence, change.subject, change.by) == (3, "configuration care policies", "user-7")
    assert (change.before, change.after) == (before, after)


def test_a_start_names_who_deployed_a_release() -> None:
    second = replace(RELEASE, version="v2")
    made = [
        start_entry("planning", "north", {}, deployment=Deployment(by, "a1" * 32), release=release, at=START)
        for by, release in (("user-6", RELEASE), ("user-7", second))
    ]
    [change] = list(changes(chain(*made), at(2), at(9)))
    assert (change.name, change.before, change.after, change.by) == ("version", "v1", "v2", "user-7")
