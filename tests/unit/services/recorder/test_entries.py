"""An entry of the gateway's log becomes codes, whatever a client sent."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.records import parse_entry
from services.recorder.entries import LogEntry, refusal

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
FIELDS = ("request", "method", "route", "status", "details", "certificate", "failure")


def logged(**attributes: str) -> LogEntry:
    return LogEntry(dict.fromkeys(FIELDS, "-") | attributes, AT)


@given(st.dictionaries(st.sampled_from(FIELDS), st.text()))
def test_any_text_is_an_entry_and_none_is_kept(attributes: dict[str, str]) -> None:
    made = refusal(LogEntry({name: f"{text} Smith" for name, text in attributes.items()}, AT), "north", "10-0-0-7")
    assert parse_entry(made.canonical()) == made
    assert "Smith" not in made.canonical()


@pytest.mark.parametrize(("status", "outcome"), [("403", "refused"), ("501", "refused"), ("503", "failed")])
def test_a_refusal_and_a_failure_differ(status: str, outcome: str) -> None:
    made = refusal(logged(status=status, certificate="CN=north-ehr", method="POST"), "north", "10-0-0-7")
    assert (made.outcome, made.status, made.caller, made.caller_role) == (
        outcome,
        int(status),
        "north-ehr",
        "application",
    )


def test_the_route_is_the_name_of_the_row_and_the_method_is_known() -> None:
    route = "httproute/north-platform/discharge-hook/rule/0/match/1/host"
    assert refusal(logged(status="401", method="POST", route=route), "north", "x").route == "POST /discharge-hook"
    assert refusal(logged(status="401", method="STEAL", route=route), "north", "x").route == "OTHER /discharge-hook"


def test_the_certificate_of_a_refused_connection_names_nobody() -> None:
    made = refusal(
        logged(certificate="CN=north-ehr", failure="TLS_error:|1:SSL_routines:OPENSSL_internal:NO_SHARED_CIPHER:x"),
        "north",
        "10-0-0-7",
    )
    assert (made.caller, made.detail, made.action) == ("unidentified", "tls.no_shared_cipher", "connect")
