"""The program's own stacks, broken one attribute at a time: whatever is changed for the worse, its control says so."""

from collections import Counter

import pytest

from tests.policy.builders import GONE
from tests.policy.changes.planting import Outcome, Planted, Stack, harmless, own, planted
from tests.policy.seeds.seed import absent, seed

pytestmark = pytest.mark.process

LEAST = 200
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return own(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def changes(stack: Stack) -> list[Planted]:
    return planted(stack)


def test_every_change_is_caught_by_its_control(changes: list[Planted]) -> None:
    assert [(c.title, c.resource) for c in changes if c.outcome is Outcome.SURVIVES] == []
    assert sum(change.outcome is Outcome.CAUGHT for change in changes) >= LEAST


def test_every_reason_is_needed(changes: list[Planted]) -> None:
    excused = [change for change in changes if change.outcome is Outcome.HARMLESS]
    assert [row for row in harmless(changes[0].stack) if not any(row.takes(change) for change in excused)] == []


def test_every_provider_is_changed(changes: list[Planted]) -> None:
    caught = Counter(change.package for change in changes if change.outcome is Outcome.CAUGHT)
    assert {"aws", "kubernetes", "vault"} <= set(caught)
    assert min(caught[package] for package in ("aws", "kubernetes", "vault")) >= 10


def test_a_change_without_finding_survives(stack: Stack) -> None:
    harmless = seed("AC-05", BLOCK, "region", "us-east-1")
    assert {made.outcome for made in stack.plant(harmless)} == {Outcome.SURVIVES}


def test_a_change_that_fits_no_resource_is_skipped(stack: Stack) -> None:
    assert list(stack.plant(absent("AC-05", "aws:s3/nothing:Nothing"))) == []
    assert list(stack.plant(seed("AC-05", BLOCK, "blockPublicAcls", True))) == []
    assert list(stack.plant(seed("AC-05", "aws:s3/bucket:Bucket", "tags.a.b.c", GONE))) == []
