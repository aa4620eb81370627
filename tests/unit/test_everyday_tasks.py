"""What an everyday task that a hospital's entry describes changes of the stack: of this hospital alone, and no more."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack.mocked_stack import RELEASE, SECOND_RELEASE, Stack, declare, settings

pytestmark = pytest.mark.process

HOSPITAL = "north"
PROMOTION = {
    "candidate": "3f9c2d4be071",
    "version": "v2",
    "approvedBy": "clinical-safety-officer:jane.doe",
    "reason": "reviewed on 2 May",
    "ethicsApprovedBy": "ethics-committee:r.roe",
    "ethicsReason": "EC-2026-014",
}
FURTHER = {"name": "second", "release": SECOND_RELEASE, "applications": ["north-research"]}
LEFT = {"leaving": "released"}
APPROVAL = {"approvedBy": "privacy-officer:jane.doe", "reason": "BAA-2026-014 ended"}
# Model servers of a release, and what makes room for them and asks them.
SERVERS = Counter(
    {
        "create InferenceService": 1,
        "create Service": 1,
        "update Deployment": 1,
        "update ResourceQuota": 2,
    }
)
# A further model also has a route of its own, for a program that gets its certificates.
ROUTE = Counter(
    {
        "create HTTPRoute": 1,
        "create SecurityPolicy": 1,
        "create BackendTrafficPolicy": 1,
        "update SecretBackendRole": 1,
    }
)
# The Job with its account, role, network and room, in a zone that had none; it writes to the audit bucket.
REMOVAL = Counter(
    {
        "create CronJob": 1,
        "create ServiceAccount": 1,
        "create WorkloadAccount": 1,
        "create WorkloadRole": 1,
        "create Role": 1,
        "create RolePolicy": 2,
        "create NetworkPolicy": 3,
        "create ResourceQuota": 1,
        "update ResourceQuota": 1,
        "update LimitRange": 1,
        "update BucketPolicy": 1,
        "update Key": 1,
    }
)


def with_entry(entry: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Return the change of a stack's file that gives the hospital a release, and adds to its entry."""

    def change(written: dict[str, Any]) -> None:
        [own] = [one for one in written["hospitals"] if one["name"] == HOSPITAL]
        own |= {"release": RELEASE, **entry}

    return change


def changes(before: Stack, after: Stack) -> Counter[tuple[str, str]]:
    """Return the numbers of changes by hospital, and by operation and kind."""
    old, new = before.by_key(), after.by_key()
    listed = {
        "create": [new[key] for key in new.keys() - old.keys()],
        "delete": [old[key] for key in old.keys() - new.keys()],
        "update": [new[key] for key in old.keys() & new.keys() if old[key].inputs != new[key].inputs],
    }
    return Counter((one.name.partition("-")[0], f"{op} {one.kind}") for op, some in listed.items() for one in some)


@pytest.mark.parametrize(
    ("before", "added", "expected"),
    [
        pytest.param({}, {"canary": {"release": SECOND_RELEASE, "percent": 10}}, SERVERS, id="canary"),
        pytest.param({}, {"models": [FURTHER]}, SERVERS + ROUTE, id="further-model"),
        pytest.param({}, {"promotion": PROMOTION}, Counter({"update CronJob": 1}), id="promotion"),
        pytest.param(LEFT, {"databaseRemoval": APPROVAL}, REMOVAL, id="removal-of-databases"),
    ],
)
def test_a_task_changes_what_it_is_for_and_nothing_of_another_hospital(
    tmp_path: Path, before: dict[str, Any], added: dict[str, Any], expected: Counter[str]
) -> None:
    first, then = (declare(settings("dev", tmp_path, with_entry(entry))) for entry in (before, before | added))
    assert changes(first, then) == {(HOSPITAL, kind): count for kind, count in expected.items()}
