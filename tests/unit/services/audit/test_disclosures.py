"""The accounting lists what 45 CFR 164.528 asks for, and leaves out treatment, payment and operations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.audit.disclosures import accounting, rules
from services.audit.records import AuditEntry, Record
from tests.support.audit.audit_chain import link
from tests.support.audit.audit_records import ENCOUNTER, PATIENT, entry, scored

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
REGISTRY = {"recipient": "urn:registry:7", "purpose": "PUBHLTH"}


def records(*entries: AuditEntry) -> list[Record]:
    return link(made.canonical() for made in entries)


def about(**fields: Any) -> AuditEntry:
    return entry(scores=(scored(),), **fields)


def test_repeated_disclosures_are_one_line_with_first_last_and_count() -> None:
    made = records(
        about(**REGISTRY),
        about(),
        about(**REGISTRY, occurred_at=AT + timedelta(days=3)),
        about(**REGISTRY | {"recipient": "urn:court:1", "purpose": "HLEGAL"}, occurred_at=AT + timedelta(days=1)),
    )
    public, legal, treatment = accounting(made, PATIENT)
    assert (public.recipient, public.count, public.records) == ("urn:registry:7", 2, (1, 3))
    assert (public.first, public.last) == (AT, AT + timedelta(days=3))
    assert public.accounted
    assert "164.512(b)" in public.basis
    assert public.content == "readmission risk with reasons"
    assert legal.recipient == "urn:court:1"
    assert not treatment.accounted
    assert "164.528(a)(1)(i)" in treatment.basis


def test_only_what_was_answered_about_the_patient_counts() -> None:
    made = records(
        about(**REGISTRY, outcome="refused", status=403),
        about(**REGISTRY, outcome="failed", status=500),
        entry(**REGISTRY, encounter="v1-555555"),
        entry(**REGISTRY),
    )
    assert accounting(made, PATIENT) == []


@pytest.mark.parametrize(
    "fields", [{"patient": PATIENT}, {"encounter": ENCOUNTER}, {"encounters": ("v1-555555", ENCOUNTER)}]
)
def test_records_that_name_only_an_encounter_count_by_it(fields: dict[str, Any]) -> None:
    made = records(entry(**REGISTRY, action="export", **fields))
    [found] = accounting(made, PATIENT, [ENCOUNTER])
    assert found.content == "export by planning"
    assert bool(accounting(made, PATIENT)) == ("patient" in fields)


def test_a_purpose_that_is_unknown_or_absent_is_accounted_for() -> None:
    made = records(entry(patient=PATIENT, purpose=None), entry(patient=PATIENT, purpose="HMARKT"))
    assert [item.accounted for item in accounting(made, PATIENT)] == [True, True]


def test_the_table_excludes_what_the_rule_excludes() -> None:
    excluded = {purpose for purpose, rule in rules().items() if not rule.accounted}
    assert {"TREAT", "HPAYMT", "HOPERAT", "PATRQT"} <= excluded
    assert {"HRESCH", "PUBHLTH", "HLEGAL"} <= rules().keys() - excluded
