"""Every control: nothing to find on the stack as it should be, and each single change to it caught."""

import pytest

from policy_pack.controls.rows import table
from policy_pack.controls.rules import ANY, rules
from policy_pack.engine.evaluate import Status
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.builders import STACK
from tests.policy.cases import CASES, Case
from tests.policy.evaluation import BROKEN, exempting_all, results, statuses
from tests.policy.seeds import SEEDS
from tests.policy.seeds.seed import Seed
from tests.support.repository import REPOSITORY

RESOURCES = list(world.resources())
BY_CONTROL = {control: [seed for seed in SEEDS if seed.control == control] for control in table().rows}
KNOWN = [seed for seed in SEEDS if seed.hides]


def test_the_compliant_stack_has_no_findings() -> None:
    assert [(result.control, result.text) for result in results(world.graph())] == []


def test_the_documents_have_the_number_of_controls() -> None:
    number = len(table().rows)
    assert f"\n{number} HIPAA controls" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"by {number} controls" in (REPOSITORY / "docs" / "policy-pack.md").read_text(encoding="utf-8")


def test_every_control_is_in_the_table_and_has_a_function() -> None:
    assert {rule.control for rule in rules()} == set(table().rows)


# What only its presence breaks, and what only the settings tell, has nothing to look at in a stack as it should be.
@pytest.mark.parametrize("control", [c for c in table().rows if c not in ("AC-04", "INV-04", "VM-02")])
def test_every_control_has_resources_in_the_compliant_stack(control: str) -> None:
    kinds = {kind for rule in rules() if rule.control == control for kind in rule.kinds}
    there = {resource.kind for resource in RESOURCES} | {ANY, "pulumi:pulumi:Stack"}
    assert kinds & there


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.title)
def test_a_change_is_caught_by_its_control(seed: Seed) -> None:
    broken = list(seed.broken(RESOURCES))
    assert broken, "the seed applies to nothing"
    # Resources of one kind differ little: the first and the last that it can break are enough.
    for name, graph in (broken[0], broken[-1]):
        assert statuses(results(graph, None, seed.control), seed.control) & BROKEN, name


@pytest.mark.parametrize("seed", KNOWN, ids=lambda seed: seed.title)
def test_an_unknown_value_is_checked_later(seed: Seed) -> None:
    found = results(seed.unknown(RESOURCES), None, seed.control)
    assert statuses(found, seed.control) == {Status.UNKNOWN}


@pytest.mark.parametrize("control", [c for c in table().rows if c not in ("AC-19", "INV-04", "VM-02")])
def test_an_exemption_covers_and_is_shown(control: str) -> None:
    _, graph = next(BY_CONTROL[control][0].broken(RESOURCES))
    found = results(graph, exempting_all(results(graph, None, control), control), control)
    assert statuses(found, control) == {Status.EXEMPT}
    assert "EXEMPTIONS" not in {result.control for result in found}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.control} {case.title}")
def test_a_control_gives_all_its_messages(case: Case) -> None:
    messages = [result.message for result in case.evaluate()]
    for text in case.messages:
        assert any(text in message for message in messages), text


def test_an_unknown_hides_no_violation_of_another_resource() -> None:
    flag = next(seed for seed in SEEDS if seed.title == "AC-05 BucketPublicAccessBlock blockPublicAcls")
    unknown, broken = flag.targets(RESOURCES)[:2]
    hidden, wrong = flag.unknown(RESOURCES), dict(flag.broken(RESOURCES))[broken.name]
    both = Graph([(hidden if r.urn == unknown.urn else wrong).at(r.urn) for r in wrong], STACK)
    found = {(r.name, r.status) for r in results(both) if r.control == "AC-05"}
    assert found == {(unknown.name, Status.UNKNOWN), (broken.name, Status.REFUSED)}


def test_an_unknown_hides_no_violation_of_its_own_resource() -> None:
    flag = next(seed for seed in SEEDS if seed.title == "AC-05 BucketPublicAccessBlock blockPublicAcls")
    graph = flag.with_("ignorePublicAcls", False).unknown(RESOURCES)
    found = {(r.path, r.status) for r in results(graph, None, "AC-05")}
    assert found == {("blockPublicAcls", Status.UNKNOWN), ("ignorePublicAcls", Status.REFUSED)}
