"""Planning as it is declared: the releases of the hospital's entry by role, as its settings read them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack.mocked_stack import RELEASE, RELEASE_DIGEST, SECOND_RELEASE, Stack, declare, settings


def releases(stack: Stack) -> dict[str, Any]:
    [found] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    [container] = found.inputs["spec"]["template"]["spec"]["containers"]
    [value] = [one["value"] for one in container["env"] if one["name"] == "RELEASES"]
    read: dict[str, Any] = json.loads(value)
    return read


def told(version: str) -> dict[str, str]:
    return {
        "release": f"{version}@{RELEASE_DIGEST}",
        "model": f"readmission-risk-{version}",
        "url": f"https://model-server-{version}.north-serving.svc.cluster.local",
        "files": f"s3://hmlops-dev-north-models/readmission/{version}/{RELEASE_DIGEST}",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"release": RELEASE}, {"active": told("v1")}),
        ({"release": RELEASE, "previous": SECOND_RELEASE}, {"active": told("v1"), "previous": told("v2")}),
        (
            {"release": RELEASE, "canary": {"release": SECOND_RELEASE, "percent": 10}},
            {"active": told("v1"), "canary": {**told("v2"), "percent": 10, "cohort": False}},
        ),
        (
            {"release": RELEASE, "canary": {"release": SECOND_RELEASE, "percent": 50, "units": ["surgery"]}},
            {"active": told("v1"), "canary": {**told("v2"), "percent": 50, "cohort": True}},
        ),
        (
            {"release": SECOND_RELEASE, "shadow": {"release": RELEASE}},
            {"active": told("v2"), "shadow": {**told("v1"), "percent": 100}},
        ),
        (
            {
                "release": RELEASE,
                "models": [{"name": "boosted", "release": SECOND_RELEASE, "applications": ["north-research"]}],
            },
            {"active": told("v1"), "models": {"boosted": told("v2")}},
        ),
    ],
)
def test_it_knows_each_release_by_what_it_does(tmp_path: Path, given: dict[str, Any], expected: dict[str, Any]) -> None:
    def change(written: dict[str, Any]) -> None:
        # Nothing is asked of the second hospital, and to declare it takes nearly half of the time.
        written["hospitals"] = [written["hospitals"][0] | given]

    assert releases(declare(settings("dev", tmp_path, change))) == expected
