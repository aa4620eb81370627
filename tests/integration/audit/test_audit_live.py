"""The audit chain of a live hospital: refusals of its gateway are on record, and anchors are written and verified."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from local.paths import Home
from local.stack import audit_chain
from local.stack.stack import Stack
from services.audit import anchors
from tests.integration.care.clinic import Clinic
from tests.integration.gateway.gateway_callers import REFUSED, Callers
from tests.integration.support import eventually
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITAL, OTHER = "north", "south"
EHR = f"{HOSPITAL}-ehr"
MARK = "Margaret"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def callers(home: Home) -> Callers:
    return Callers(home, HOSPITAL)


def refusals(clinic: Clinic, after: int, status: int) -> list[Json]:
    """Return the records of what the gateway refused to the EHR after a record."""
    found = [one for one in clinic.records_after(after) if (one["service"], one["caller"]) == ("gateway", EHR)]
    return [one for one in found if one["status"] == status]


def of_the_ehr(records: list[Json]) -> list[Json]:
    return [one for one in records if one["service"] == "gateway" and one["caller"] == EHR]


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (lambda callers: callers.discover(callers.hook_token(seconds=-300)), 401),
        (lambda callers: callers.discover(callers.hook_token(iss=f"https://{MARK}.example")), 401),
        (lambda callers: callers.discover(callers.hook_token(aud=f"https://{MARK}.example")), 403),
        (lambda callers: callers.send("GET", f"/Patient/{MARK}?name={MARK}", callers.hook_token()), 404),
    ],
    ids=["expired", "unknown", "for another", "unknown path"],
)
def test_a_refusal_of_the_gateway_is_on_record_once(
    home: Home, clinic: Clinic, callers: Callers, refused: Callable[[Callers], Any], status: int
) -> None:
    other = Clinic(home, OTHER)
    before, elsewhere = clinic.last_record(), other.last_record()
    assert refused(callers).status_code == status
    eventually(lambda: bool(refusals(clinic, before, status)), seconds=60)
    [record] = refusals(clinic, before, status)
    assert (record["hospital"], record["outcome"], record["caller_role"]) == (HOSPITAL, "refused", "application")
    assert record["route"] in ("unmatched", "GET /discharge-hook")
    assert MARK not in json.dumps(record)
    assert not of_the_ehr(other.records_after(elsewhere))


def test_a_refused_connection_is_on_record_and_names_nobody(clinic: Clinic, callers: Callers) -> None:
    before = clinic.last_record()
    with pytest.raises(REFUSED):
        callers.discover(callers.hook_token(), callers.trusting())

    def connections() -> list[Json]:
        return [one for one in clinic.records_after(before) if one.get("action") == "connect"]

    eventually(lambda: bool(connections()), seconds=60)
    assert {(one["caller"], one["status"]) for one in connections()} == {("unidentified", 400)}
    assert "tls.peer_did_not_return_a_certificate" in {one["detail"] for one in connections()}


def test_the_gateway_s_own_count_is_on_record_beside_its_refusals(clinic: Clinic, callers: Callers) -> None:
    before = clinic.last_record()
    assert callers.discover(callers.hook_token(seconds=-300)).status_code == 401
    eventually(lambda: bool(refusals(clinic, before, 401)), seconds=60)
    pod = refusals(clinic, before, 401)[0]["gateway"]["instance"]

    def counts() -> list[Json]:
        found = [one for one in clinic.records_after(before) if one.get("action") == "gateway-count"]
        return [one["gateway"] for one in found if one["gateway"]["instance"] == pod]

    # The counters of a round are on record in the next.
    eventually(lambda: bool(counts()), seconds=120)
    assert all(one["logged"] >= 1 and one["dropped"] == 0 for one in counts())


def newest(home: Home) -> anchors.Anchor | None:
    """Return the last anchor, verified with the keys that the stack published."""
    deployed = Stack(home).outputs()["hospitals"][HOSPITAL]
    stored = anchors.AnchorBucket(f"s3://{deployed['buckets']['audit']}").latest()
    return anchors.read(stored.content, HOSPITAL, deployed["auditKeys"].split(",")) if stored else None


def test_each_record_is_anchored_within_seconds_and_the_chain_is_verified(
    home: Home, clinic: Clinic, callers: Callers
) -> None:
    before = clinic.last_record()
    assert callers.discover(callers.hook_token(seconds=-300)).status_code == 401
    eventually(lambda: bool(refusals(clinic, before, 401)), seconds=60)
    eventually(lambda: (head := newest(home)) is not None and head.sequence > before, seconds=60)
    intact, text = audit_chain.verify(home, HOSPITAL)
    assert intact, text
    verdict = re.search(r"The chain is intact\. Records: (\d+); anchors: \d+; anchored to record (\d+)\.", text)
    assert verdict
    assert int(verdict[1]) >= int(verdict[2]) > before
