"""The access review counts what each caller saw, and lists each break-glass."""

from services.audit.access import review
from tests.support.audit.audit_chain import link
from tests.support.audit.audit_records import ENCOUNTER, entry, scored

OTHER = "v1-" + "d4" * 20


def test_callers_are_counted_by_role() -> None:
    nurse = {"caller": "user-7", "caller_role": "coordinator", "service": "care"}
    records = link(
        made.canonical()
        for made in (
            entry(**nurse, encounters=(ENCOUNTER, OTHER), action="show-worklist"),
            entry(**nurse, encounter=ENCOUNTER, action="claim"),
            entry(**nurse, encounter="v1-555555", outcome="refused", status=403),
            entry(**nurse | {"caller_role": "manager"}, purpose=None),
            entry(scores=(scored(),)),
            entry(**nurse, encounter=OTHER, action="break-glass", detail="emergency", purpose="BTG"),
        )
    )
    first, second, third = review(records)
    assert (first.caller, first.role, first.requests, first.refused) == ("user-7", "coordinator", 4, 1)
    assert first.encounters == {ENCOUNTER, OTHER}  # a refused request showed nothing
    assert first.actions == {"show-worklist": 1, "claim": 1, "break-glass": 1}
    assert first.purposes == {"TREAT": 3, "BTG": 1}
    assert first.break_glass == [(6, "emergency")]
    assert (second.caller, second.encounters) == ("spiffe://hmlops/north/care", {ENCOUNTER})
    assert (third.role, third.purposes) == ("manager", {"none": 1})
    assert review([]) == []
