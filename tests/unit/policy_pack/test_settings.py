"""The pack's configuration: exemptions that end, profiles that switch, and papers of releases."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policy_pack.controls.rows import NPRM, table
from policy_pack.engine.evaluate import EXEMPTIONS, Status
from policy_pack.errors import PackError
from policy_pack.settings import Evidence, Level, Settings, load, parse
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.builders import STACK, changed
from tests.policy.evaluation import exempting, results, statuses
from tests.policy.releases import release, served

RESOURCES = list(world.resources())
GIVEN = {"control": "AC-05", "resource": "x", "reason": "r", "owner": "o", "expires": "2027-01-01"}


def broken() -> Graph:
    target = next(
        r for r in RESOURCES if r.name == "hmlops-prod-north-raw" and r.kind.endswith("BucketPublicAccessBlock")
    )
    return Graph([changed(target, "blockPublicAcls", False) if r is target else r for r in RESOURCES], STACK)


def exemption_messages(settings: Settings, graph: Graph) -> list[str]:
    return [result.message for result in results(graph, settings, "AC-05") if result.control == EXEMPTIONS]


@pytest.mark.parametrize("glob", ["hmlops-prod-*", "*BucketPublicAccessBlock::hmlops-prod-north-raw"])
def test_an_exemption_matches_name_or_urn(glob: str) -> None:
    found = results(broken(), exempting("AC-05", resource=glob), "AC-05")
    [exempt] = [result for result in found if result.status is Status.EXEMPT]
    assert "exempt until 2027-01-01 by tester: a test" in exempt.text
    assert not any(result.blocks for result in found)


def test_an_exemption_of_another_resource_covers_nothing() -> None:
    found = results(broken(), exempting("AC-05", resource="hmlops-prod-south-*"), "AC-05")
    assert Status.REFUSED in statuses(found, "AC-05")


def test_an_expired_exemption_covers_nothing_and_is_refused_itself() -> None:
    settings = exempting("AC-05", expires="2026-11-21")
    assert Status.REFUSED in statuses(results(broken(), settings, "AC-05"), "AC-05")
    assert any("expired on 2026-11-21" in message for message in exemption_messages(settings, broken()))


def test_an_exemption_holds_on_its_last_day() -> None:
    found = results(broken(), exempting("AC-05", expires=str(world.TODAY)), "AC-05")
    assert statuses(found, "AC-05") == {Status.EXEMPT}


def test_an_exemption_of_nothing_is_refused() -> None:
    assert any("matches no finding" in message for message in exemption_messages(exempting("AC-05"), world.graph()))


@pytest.mark.parametrize(
    ("kind", "refused"), [("k8s:batch/Job", False), ("k8s:serving.kserve.io/InferenceService", True)]
)
def test_an_exemption_of_a_kind_waits_for_the_first_of_it(kind: str, refused: bool) -> None:
    found = exemption_messages(exempting("AC-05", kind=kind), world.graph())
    assert any("matches no finding" in message for message in found) is refused


def test_an_exemption_of_an_unknown_control_is_refused() -> None:
    assert any(
        "names an unknown control" in message for message in exemption_messages(exempting("AC-99"), world.graph())
    )


def test_an_exemption_for_another_stack_has_no_effect() -> None:
    settings = exempting("AC-05", stacks=["dev"])
    assert exemption_messages(settings, world.graph()) == []
    assert Status.REFUSED in statuses(results(broken(), settings, "AC-05"), "AC-05")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"exemptions": [{key: value for key, value in GIVEN.items() if key != "expires"}]}, "expires: field required"),
        ({"exemptions": [{**GIVEN, "owner": " "}]}, "owner"),
        ({"exemption": []}, "exemption: extra inputs"),
        ({"profiles": {"hipaa": "perhaps"}}, "profiles.hipaa"),
        ([], "must be a map"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(written: Any, expected: str) -> None:
    with pytest.raises(PackError) as refused:
        parse(written, "settings.yaml")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("level", "held"), [("off", set()), ("advisory", {Status.ADVISORY}), ("mandatory", {Status.REFUSED})]
)
def test_the_proposal_is_switched_by_its_profile(level: str, held: set[Status]) -> None:
    settings = world.settings().model_copy(update={"profiles": {NPRM: Level(level)}, "evidence": Evidence()})
    assert statuses(results(world.graph(), settings, "VM-02"), "VM-02") == held


def test_the_proposal_is_cited_only_where_its_profile_is_on() -> None:
    row = table().rows["INT-01"]
    off = world.settings().model_copy(update={"profiles": {NPRM: Level.OFF}})
    assert row.citation(off) == "45 CFR 164.312(c)(1)"
    assert row.citation(world.settings()) == "45 CFR 164.312(c)(1); 164.312(e) (proposed, unverified)"
    assert "164.312(a)(2)(vi) (proposed)" in table().rows["SEG-06"].citation(world.settings())


def test_old_scans_are_reported() -> None:
    old = Evidence(
        vulnerability_scan=date(2026, 5, 25), penetration_test=date(2026, 1, 1), compliance_audit=date(2025, 1, 1)
    )
    found = results(world.graph(), world.settings().model_copy(update={"evidence": old}), "VM-02")
    assert [result.message.split(" was")[0] for result in found] == [
        "the last vulnerability scan",
        "the last compliance audit",
    ]


# --- releases ------------------------------------------------------------------------------------
def found_in(root: Path, settings: Settings) -> list[str]:
    return [result.message for result in results(served(root), settings, "ML-01", "ML-02")]


def test_a_complete_release_has_no_findings(tmp_path: Path) -> None:
    assert found_in(tmp_path, release(tmp_path)) == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"leave_out": "MODEL_CARD.md"}, "has no model card"),
        ({"leave_out": "signature.json"}, "is not signed"),
        ({"leave_out": "files.json"}, "has no files.json"),
        ({"change": "metrics.json"}, "metrics.json that is missing or was changed"),
        ({"change": "files.json"}, "files.json whose digest is not"),
        ({"passed": False}, "gates that did not pass"),
        ({"approved": False}, "have no approval"),
        ({"evaluated": False}, "have no evaluation"),
    ],
)
def test_an_incomplete_release_is_refused(parts: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert any(expected in message for message in found_in(tmp_path, release(tmp_path, **parts)))


# The paragraphs whose numbers were held against the proposal's text; one more here needs a look at the text first.
CHECKED = {
    *(
        "312(a)(1)",
        "312(a)(2)(i)",
        "312(a)(2)(ii)",
        "312(a)(2)(iii)",
        "312(a)(2)(vi)",
        "312(h)(2)(i)",
        "312(h)(2)(iii)",
    ),
    *("308(a)(9)(ii)(D)", "308(a)(13)", "314(a)(2)(i)(D)"),
}


def test_an_unverified_paragraph_is_marked_everywhere() -> None:
    assert table().verified == CHECKED
    for row in table().rows.values():
        for paragraph in row.proposed:
            mark = "proposed" if paragraph in CHECKED else "proposed, unverified"
            assert f"164.{paragraph} ({mark})" in row.citation(world.settings())
            assert f"164.{paragraph} ({mark})" in row.proposals()
