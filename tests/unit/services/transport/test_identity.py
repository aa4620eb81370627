"""SPIFFE identities."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transport.identity import SpiffeId, certificate_identity

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@given(LABEL, LABEL)
def test_an_identity_is_read_as_it_was_written(hospital: str, account: str) -> None:
    assert SpiffeId.parse(str(SpiffeId(hospital, account))) == SpiffeId(hospital, account)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://other/north/planner",
        "spiffe://hmlops/north",
        "spiffe://hmlops/north/planner/",
        "spiffe://hmlops/north/planner/more",
        "spiffe://hmlops/north/planner\n",
        "spiffe://hmlops/north/planner?x",
        "spiffe://hmlops//planner",
        "spiffe://hmlops/../planner",
        "SPIFFE://hmlops/north/planner",
        "https://hmlops/north/planner",
        "spiffe://hmlops/north/Planner",
        " spiffe://hmlops/north/planner",
    ],
)
def test_other_uris_are_no_identity(uri: str) -> None:
    with pytest.raises(ValueError, match="not a workload's identity"):
        SpiffeId.parse(uri)
    assert certificate_identity({"subjectAltName": (("URI", uri),)}) is None


@pytest.mark.parametrize(
    "certificate",
    [
        None,
        {},
        {"subjectAltName": ()},
        {"subjectAltName": (("DNS", "spiffe://hmlops/north/planner"),)},
        {"subject": ((("commonName", "spiffe://hmlops/north/planner"),),)},
        {"subjectAltName": (("URI", "spiffe://hmlops/north/planner"), ("URI", "spiffe://hmlops/north/care"))},
    ],
)
def test_a_certificate_needs_exactly_one_uri(certificate: dict[str, Any] | None) -> None:
    assert certificate_identity(certificate) is None


def test_other_names_beside_the_uri_do_not_matter() -> None:
    names = (("DNS", "planning.north"), ("URI", "spiffe://hmlops/north/planner"))
    assert certificate_identity({"subjectAltName": names}) == SpiffeId("north", "planner")
