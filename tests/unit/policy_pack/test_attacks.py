"""A sample of the mutations of each family: what escapes is listed, and what is listed escapes."""

import random
from dataclasses import replace

import pytest

from tests.policy.attacks.families import FAMILIES, mutations, sample
from tests.policy.attacks.judge import Judge, Outcome, table
from tests.policy.attacks.listed import OPEN, Listed, listed
from tests.policy.attacks.mutation import GONE, Family, Mutation, put
from tests.policy.attacks.run import SEED, Judgement, judged_settings, page
from tests.policy.attacks.sdk import kinds, resource_fields
from tests.policy.attacks.stacks import STACKS, attacked, crossed
from tests.policy.attacks.widening import widenings

pytestmark = pytest.mark.process

SIZE = 6
LISTED = 60
LEAST = 2000


@pytest.fixture(scope="module")
def judges() -> dict[str, Judge]:
    return {stack: Judge(attacked(stack)) for stack in STACKS}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_mutation_escapes_that_is_not_listed(family: str, judges: dict[str, Judge]) -> None:
    known = {(api, operation) for of, api, operation in listed("escapes").of if of == family}
    chosen = [one for stack in STACKS for one in sample(mutations(family, stack), SIZE, SEED)]
    unlisted = [one for one in chosen if (one.api, one.operation) not in known]
    judged = [judges[one.stack].judge(one) for one in unlisted]
    assert [one.mutation.key for one in judged if one.outcome is Outcome.ESCAPED] == []


def test_no_change_of_the_settings_escapes_that_is_not_listed() -> None:
    escaped = {(one.family, one.api, one.operation) for one in judged_settings() if one.outcome == "escaped"}
    assert escaped == {row for row in listed("escapes").of if row[0] == "settings"}


def test_what_is_listed_still_escapes(judges: dict[str, Judge]) -> None:
    made = {(f, one.api, one.operation): one for f in FAMILIES for stack in STACKS for one in mutations(f, stack)}
    known = sorted(row for row in listed("escapes").of if row[0] in FAMILIES)
    assert [row for row in known if row not in made] == []
    chosen = random.Random(SEED).sample(known, min(LISTED, len(known)))
    caught = [row for row in chosen if judges[made[row].stack].judge(made[row]).outcome is not Outcome.ESCAPED]
    assert caught == []


def test_every_reason_is_needed() -> None:
    made = [one for family in FAMILIES for stack in STACKS for one in mutations(family, stack)]
    assert len(made) >= LEAST
    rows = [replace(row, operation=(one,)) for row in table("harmless") for one in row.operation]
    assert [row.operation for row in rows if not any(row.takes(one) for one in made)] == []
    keys = {(one.family, one.api, one.operation) for one in made}
    assert [key for key in listed("harmless_operations").of if key not in keys] == []


def test_a_list_keeps_its_reasons() -> None:
    before = Listed({"why": "because", OPEN: "nobody knows"}, {("f", "a", "o"): "why", ("f", "a", "gone"): "why"})
    after = before.with_only([("f", "a", "o"), ("f", "a", "new")])
    assert (after.why(("f", "a", "o")), after.why(("f", "a", "new"))) == ("because", "nobody knows")
    assert after.why(("f", "a", "gone")) is None
    assert "- new" in after.written()


# --- the judge ---------------------------------------------------------------------------------------
def _mutation(operation: str, name: str, value: object) -> Mutation:
    family = Family("test", attacked("dev").target)
    [block] = family.target.of("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock")
    [made] = family.put(block, operation, ((name,), value))
    return made


def test_a_mutation_that_a_new_finding_names_is_caught(judges: dict[str, Judge]) -> None:
    judged = judges["dev"].judge(_mutation("open", "blockPublicAcls", False))
    assert judged.outcome is Outcome.CAUGHT
    assert judged.why.startswith("AC-05 ")


def test_a_mutation_without_finding_escapes(judges: dict[str, Judge]) -> None:
    assert judges["dev"].judge(_mutation("unheard of", "region", "us-east-1")).outcome is Outcome.ESCAPED


def test_an_unchanged_resource_is_no_mutation() -> None:
    family = Family("test", attacked("dev").target)
    [block] = family.target.of("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock")
    assert list(family.put(block, "nothing", (("blockPublicAcls",), True))) == []


# --- the generator --------------------------------------------------------------------------------------
def test_a_value_is_set_where_nothing_was_and_removed() -> None:
    props = {"a": [{"b": 1}]}
    assert put(props, ("a", 1, "c"), 2) == {"a": [{"b": 1}, {"c": 2}]}
    assert put(props, ("a", 0, "b"), GONE) == {"a": [{}]}
    assert props == {"a": [{"b": 1}]}


def test_properties_come_from_the_sdk() -> None:
    pod = resource_fields("kubernetes:core/v1:Pod")["spec"].fields
    assert pod["hostNetwork"].type is bool
    assert (pod["volumes"].shape, "hostPath" in pod["volumes"].fields) == ("list", True)
    assert "PLAINTEXT" in str(resource_fields("aws:msk/cluster:Cluster")["encryptionInfo"].fields) or kinds(
        "pulumi_aws"
    )
    assert resource_fields("example:index:Unheard") == {}


def test_each_switch_is_switched_and_each_property_removed() -> None:
    fields = resource_fields("aws:kms/key:Key")
    made = {change.operation for change in widenings(fields, {"enableKeyRotation": True, "deletionWindowInDays": 30})}
    assert {"switch enableKeyRotation", "remove enableKeyRotation", "lower deletionWindowInDays"} <= made
    assert {"set isEnabled to false", "set bypassPolicyLockoutSafetyCheck to true"} <= made


def test_the_hospitals_are_exchanged() -> None:
    assert crossed({"north-raw": ["southern", "arn:north/x"]}) == {"south-raw": ["southern", "arn:south/x"]}


def test_the_page_counts_each_outcome() -> None:
    found = [Judgement("access", "aws:iam/role:Role", op, "dev", "x", "caught", "") for op in ("a", "b")]
    text = page(found, 2)
    assert "| access | 2 | 2 | 2 | 0 | 0 |" in text
    assert "| access | `aws:iam/role:Role` | 2 | 2 | 2 | 0 | 0 |" in text
    assert "2 of 3 mutations, drawn at random" in page(found, 3)
