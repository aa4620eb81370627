"""The table of uses: which status, intent and modifiers count, and that every resource is counted once."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from model.curated.run import ingest
from model.curated.shares import refuse_large_shares
from model.errors import GateError, UserError
from model.fhir.record_use import RecordUse, Rule, record_use, rule_for
from model.fhir.resource_types import ACCEPTED
from tests.support.model.fhir_records import (
    LATER,
    VERIFICATION,
    Resource,
    answer,
    bundle,
    concept,
    condition,
    encounter,
    observation,
    order,
    patient,
)
from tests.support.model.model_world import RING

pytestmark = pytest.mark.process

# What FHIR R4 says of each code, judged here by hand and not by the table under test.
ENCOUNTERS = {
    "arrived": True, "triaged": True, "in-progress": True, "onleave": True, "finished": True, "unknown": True,
    "planned": False, "cancelled": False, "entered-in-error": False,
}  # fmt: skip
CONDITIONS = {
    "confirmed": True, "provisional": True, "unconfirmed": True,
    "refuted": False, "differential": False, "entered-in-error": False,
}  # fmt: skip
RESULTS = {
    "final": True, "amended": True, "corrected": True, "preliminary": True, "unknown": True,
    "registered": False, "cancelled": False, "entered-in-error": False,
}  # fmt: skip
ORDERS = {
    "active": True, "on-hold": True, "completed": True, "stopped": True, "unknown": True,
    "draft": False, "cancelled": False, "entered-in-error": False,
}  # fmt: skip
INTENTS = {
    "order": True, "original-order": True, "reflex-order": True, "filler-order": True, "instance-order": True,
    "proposal": False, "plan": False, "option": False,
}  # fmt: skip


def test_fifty_patients_with_every_status(tmp_path: Path) -> None:
    """Each patient has one record of a random status, intent or modifier beside a plain stay."""
    chance = random.Random(20)
    resources: list[Resource] = [*LATER]
    right: dict[str, dict[str, float]] = {}
    for number in range(50):
        who = f"p{number}"
        verified = chance.choice(list(CONDITIONS))
        resulted, ordered, intended = (chance.choice(list(table)) for table in (RESULTS, ORDERS, INTENTS))
        forbidden, focused = chance.random() < 0.2, chance.random() < 0.2
        focus: Resource = {"focus": [{"display": "fetus"}]} if focused else {}
        resources += [
            patient(who),
            encounter(who, "e", "2024-03-01T10:00:00Z", "2024-03-05T10:00:00Z"),
            condition(
                who, "c", recordedDate="2024-03-02", verificationStatus=concept(VERIFICATION, verified)
            ),
            observation(
                who, "o", "2024-03-04T08:00:00Z", 2.0, status=resulted,
                **focus,
            ),
            order(
                who, "m", "2024-03-02T08:00:00Z", status=ordered, intent=intended,
                doNotPerform=forbidden,
            ),
        ]  # fmt: skip
        right[who] = {
            "heart_failure": float(CONDITIONS[verified]),
            "creatinine_missing": float(not RESULTS[resulted] or focused),
            "drugs": float(ORDERS[ordered] and INTENTS[intended] and not forbidden),
        }
    found = answer(tmp_path, resources)
    assert {who: {name: found.of(who)[0][name] for name in features} for who, features in right.items()} == right
    used = sum(value for features in right.values() for name, value in features.items() if name != "creatinine_missing")
    measured = sum(not features["creatinine_missing"] for features in right.values())
    assert found.ingested.counts["excluded"] == 150 - used - measured == sum(found.ingested.excluded.values())


@pytest.mark.parametrize("status", ENCOUNTERS)
def test_what_did_not_take_place_is_no_stay_no_return_and_no_follow_up(status: str, tmp_path: Path) -> None:
    end = "2024-03-15T10:00:00Z" if status in {"finished", "unknown"} else None
    second = encounter("p", "second", "2024-03-12T10:00:00Z", end, status=status)
    far = encounter("p", "far", "2024-09-12T10:00:00Z", "2024-09-12T11:00:00Z", "AMB", status=status)
    first = encounter("p", "first", "2024-03-01T10:00:00Z", "2024-03-05T10:00:00Z")
    rows = answer(tmp_path, [patient("p"), first, second, far]).of("p")
    took_place = ENCOUNTERS[status]
    assert rows[0]["readmitted"] is (True if took_place else None)


def test_every_row_of_the_table_can_be_reached() -> None:
    reached = set()
    for kind in ACCEPTED:
        for rule in record_use().rules(kind):
            made: dict[str, Any] = {"resourceType": kind}
            for element, values in rule.where.items():
                made[element] = {"coding": [{"code": values[0]}]} if element == "verificationStatus" else values[0]
                made[element] = values[0] == "true" if element == "doNotPerform" else made[element]
            assert rule_for(made, kind) is rule
            reached.add((kind, rule.reason))
    assert len(reached) > 20


def test_a_modifier_in_another_system_or_case_excludes_too() -> None:
    status = {"coding": [{"system": "urn:local", "code": "Entered-in-Error "}]}
    assert rule_for({"resourceType": "Condition", "verificationStatus": status}, "Condition").use == "excluded"


def test_implicit_rules_are_set_aside(tmp_path: Path) -> None:
    stay = encounter("p", "e", "2024-03-01T10:00:00Z", "2024-03-05T10:00:00Z")
    odd = observation("p", "o", "2024-03-04T08:00:00Z", 2.0, implicitRules="http://h.example/rules/x100")
    found = answer(tmp_path, [patient("p"), stay, odd, *LATER], max_bad_share=0.5)
    assert found.of("p")[0]["creatinine_last"] is None
    assert found.ingested.counts["refused"] == 1
    assert "implicitRules" in next(iter(found.ingested.refused))


def test_an_excluded_version_supersedes_the_one_before(tmp_path: Path) -> None:
    stay = encounter("p", "e", "2024-03-01T10:00:00Z", "2024-03-05T10:00:00Z")
    first = observation("p", "o", "2024-03-04T08:00:00Z", 9.0, meta={"versionId": "1"})
    second = observation("p", "o", "2024-03-04T08:00:00Z", 9.0, status="entered-in-error", meta={"versionId": "2"})
    found = answer(tmp_path, [patient("p"), stay, second, first, *LATER])
    assert found.of("p")[0]["creatinine_last"] is None
    assert (found.ingested.counts["not_in_force"], found.ingested.counts["excluded"]) == (1, 1)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "2024", "2204-01-01", "2024-03-02T08:00:00Z", "0001-01-01", "yesterday", 5, [], {}]
)
RESOURCES = st.one_of(
    st.builds(lambda date, gone: patient("p", birthDate=date, deceasedDateTime=gone), ODD, ODD),
    st.builds(
        lambda start, end, status, kind: encounter(
            "p", "e", None, None, kind, status=status, period={"start": start, "end": end}
        ),
        ODD, ODD, st.sampled_from([*ENCOUNTERS, "x", None]), st.sampled_from(["IMP", "EMER", "AMB", "x", ""]),
    ),
    st.builds(
        lambda date, code, status: condition(
            "p", "c", code, recordedDate=date, verificationStatus=concept(VERIFICATION, status)
        ),
        ODD, st.sampled_from(["I50.9", "i50.9", "x", ""]), st.sampled_from(list(CONDITIONS)),
    ),
    st.builds(
        lambda date, status, value, more: observation("p", "o", date, value, status=status, **more),
        ODD, st.sampled_from([*RESULTS, "x"]), st.sampled_from([1.0, 1e9, -5, "1", None]),
        st.sampled_from(
            [{}, {"focus": [{"display": "x"}]}, {"valueQuantity": None}, {"valueString": "1"}, {"implicitRules": "x"}]
        ),
    ),
    st.builds(
        lambda date, status, intent: order("p", "m", date, status=status, intent=intent),
        ODD, st.sampled_from([*ORDERS, "x"]), st.sampled_from([*INTENTS, None]),
    ),
    st.sampled_from([{"resourceType": "Practitioner", "id": "x"}, {"id": "x"}, {}, {"resourceType": 3}]),
)  # fmt: skip


def _plain(value: Any) -> Any:
    """Return a resource without members that are None, as JSON from a system would be."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    return value


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(resources=st.lists(RESOURCES, max_size=12))
def test_the_sum_is_exact(resources: list[Resource], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("sum")
    (folder / "in").mkdir()
    given_resources = [_plain(one) for one in [*resources, *LATER]]
    (folder / "in" / "a.json").write_text(json.dumps(bundle(given_resources)))
    done = ingest(
        str(folder / "in"), hospital="north", out=str(folder / "out"), ring=RING, max_bad_share=1.0,
        limits=dict.fromkeys(record_use().limits.shares, 1.0),
    )  # fmt: skip
    counts = {name: done.counts.get(name, 0) for name in ("used", "refused", "not_needed", "not_in_force")}
    assert done.read == len(given_resources) == sum(counts.values()) + sum(done.excluded.values())
    assert counts["used"] >= len(LATER)


def test_a_share_above_its_limit_refuses_in_one_sentence() -> None:
    read, excluded = Counter({"Encounter": 497}), Counter({"Encounter.class": 497})
    with pytest.raises(GateError, match="0 of 497 encounters have a class that is understood"):
        refuse_large_shares(read, excluded, {})
    refuse_large_shares(read, excluded, {"Encounter.class": 1.0})
    refuse_large_shares(Counter({"Encounter": 100}), Counter({"Encounter.class": 20}), {})
    with pytest.raises(GateError, match="79 of 100"):
        refuse_large_shares(Counter({"Encounter": 100}), Counter({"Encounter.class": 21}), {})
    with pytest.raises(UserError, match=r"the nearest is Encounter\.class"):
        refuse_large_shares(read, excluded, {"Encounter.clas": 1.0})


def test_a_table_without_a_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs a reason"):
        Rule(where={}, use="excluded", why="x")
    with pytest.raises(ValidationError):
        RecordUse.model_validate(record_use().model_dump(by_alias=True) | {"Procedure": []})
