"""Label selectors mean what Kubernetes means."""

from typing import Any

import pytest

from policy_pack.facts.network.selectors import matches


@pytest.mark.parametrize(
    ("test", "labels", "holds"),
    [
        ({"key": "a", "operator": "In", "values": ["x"]}, {"a": "x"}, True),
        ({"key": "a", "operator": "In", "values": ["x"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, {}, True),
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, {"a": "x"}, False),
        ({"key": "a", "operator": "Exists"}, {"a": "x"}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": "x"}, False),
    ],
)
def test_selectors_mean_what_kubernetes_means(test: dict[str, Any], labels: dict[str, str], holds: bool) -> None:
    assert matches({"matchExpressions": [test]}, labels) is holds
