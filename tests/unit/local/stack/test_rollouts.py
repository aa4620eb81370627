"""A rollout is finished when every pod is of the template, and ready."""

from types import SimpleNamespace
from typing import Any

import pytest

from local.stack.rollouts import finished


def deployment(**status: Any) -> Any:
    whole = {"observed_generation": 2, "replicas": 2, "updated_replicas": 2, "available_replicas": 2}
    return SimpleNamespace(
        metadata=SimpleNamespace(generation=2),
        spec=SimpleNamespace(replicas=2),
        status=SimpleNamespace(**{**whole, **status}),
    )


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({}, True),
        ({"observed_generation": 1}, False),
        ({"observed_generation": None}, False),
        ({"updated_replicas": 1}, False),
        ({"replicas": 3}, False),
        ({"available_replicas": 1}, False),
        ({"available_replicas": None}, False),
    ],
)
def test_a_rollout_is_finished_when_all_pods_are_new_and_ready(status: dict[str, Any], done: bool) -> None:
    assert finished(deployment(**status)) is done
