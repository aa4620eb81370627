"""The record of a service's start."""

from services.audit.configuration import start_entry
from tests.support.audit_chain import START
from tests.support.audit_records import RELEASE


def test_a_start_is_an_entry_with_digests_alone() -> None:
    made = start_entry("care", "north", {"settings": b"x", "grants": b"y"}, deployed_by=None, release=RELEASE, at=START)
    assert [part.component for part in made.configuration] == ["grants", "settings"]
    assert (made.caller, made.action, made.release) == ("north-care", "start", RELEASE)
    assert made.occurred_at == START
