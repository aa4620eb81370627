"""Policies in effect: the most specific one replaces the others, unless it is merged into them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_pack.facts.exposure.effective_policies import Scope, effective, merged
from policy_pack.facts.exposure.gateway_objects import Target
from policy_pack.stack.graph import Graph
from policy_pack.stack.kinds import SECURITY_POLICY
from policy_pack.stack.values import UNKNOWN, NotKnownError
from tests.policy.builders import STACK, build

GROUP = "gateway.networking.k8s.io"
RULE = Target("HTTPRoute", "north", "model", "predict")
ROUTE, GATEWAY = Target("HTTPRoute", "north", "model"), Target("Gateway", "north", "gateway")
LISTENER = Target("Gateway", "north", "gateway", "https")
SCOPE = Scope("route", [(RULE, {}), (ROUTE, {"app": "model"}), (LISTENER, {}), (GATEWAY, {"app": "gateway"})])


def policy(name: str, target: Target | None, namespace: str = "north", **spec: Any) -> Any:
    reference = {"group": GROUP, "kind": target.kind, "name": target.name} if target else {}
    if target and target.section:
        reference["sectionName"] = target.section
    refs = {"targetRefs": [reference]} if target else {}
    props = {"metadata": {"name": name, "namespace": namespace}, "spec": {**refs, **spec}}
    return build("kubernetes:gateway.envoyproxy.io/v1alpha1:SecurityPolicy", name, props)


def jwt(*policies: Any) -> list[Any]:
    """Return the value of the field jwt of every policy in effect."""
    return [found.spec.get("jwt") for found in effective(Graph(policies, STACK), SECURITY_POLICY, SCOPE)]


def test_the_most_specific_policy_is_in_effect() -> None:
    levels = [policy(str(n), target, jwt=n) for n, target in enumerate((RULE, ROUTE, LISTENER, GATEWAY))]
    assert [jwt(*levels[n:]) for n in range(5)] == [[0], [1], [2], [3], [None]]


def test_a_policy_of_a_route_without_a_field_removes_the_gateways() -> None:
    assert jwt(policy("own", ROUTE, cors={}), policy("shared", GATEWAY, jwt=1)) == [None]


def test_a_merged_policy_keeps_what_it_does_not_have() -> None:
    merging = policy("own", ROUTE, mergeType="StrategicMerge", jwt={"optional": True})
    assert jwt(merging, policy("shared", GATEWAY, jwt={"providers": [1]})) == [{"providers": [1], "optional": True}]
    assert jwt(merging) == [{"optional": True}]


def test_each_policy_of_the_same_target_may_be_in_effect() -> None:
    assert jwt(policy("a", GATEWAY, jwt=1), policy("b", GATEWAY, jwt=2)) == [1, 2]


def test_a_policy_of_another_namespace_group_or_section_is_not_in_effect() -> None:
    assert jwt(policy("other", GATEWAY, namespace="south", jwt=1)) == [None]
    assert jwt(policy("other", Target("Gateway", "north", "gateway", "http"), jwt=1)) == [None]
    reference = {"group": "example.com", "kind": "Gateway", "name": "gateway"}
    assert jwt(policy("other", None, targetRefs=[reference], jwt=1)) == [None]
    assert jwt(policy("other", None, targetRef={**reference, "group": GROUP}, jwt=1)) == [1]


@pytest.mark.parametrize(
    ("selector", "namespace", "found"),
    [
        ({"kind": "HTTPRoute", "matchLabels": {"app": "model"}}, "north", 1),
        ({"kind": "HTTPRoute", "matchLabels": {"app": "other"}}, "north", None),
        ({"kind": "Gateway", "matchLabels": {}}, "north", 1),
        ({"kind": "HTTPRoute", "matchLabels": {"app": "model"}}, "south", None),
        ({"kind": "HTTPRoute", "group": "example.com"}, "north", None),
    ],
)
def test_a_policy_selects_by_labels(selector: dict[str, Any], namespace: str, found: int | None) -> None:
    assert jwt(policy("own", None, namespace=namespace, targetSelectors=[selector], jwt=1)) == [found]


def test_a_policy_that_selects_in_other_namespaces_protects_nothing() -> None:
    selector = {"kind": "HTTPRoute", "namespaces": {"from": "All"}}
    far = policy("far", None, namespace="south", targetSelectors=[selector], jwt=1)
    assert jwt(far, policy("shared", GATEWAY, jwt=2)) == [None]


def test_a_policy_with_an_unknown_target_may_apply_to_anything_in_its_namespace() -> None:
    with pytest.raises(NotKnownError):
        jwt(policy("own", None, targetRefs=UNKNOWN))
    assert jwt(policy("own", None, namespace="south", targetRefs=UNKNOWN), policy("shared", GATEWAY, jwt=2)) == [2]


trees = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.lists(st.integers(), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(trees, trees)
def test_a_merged_value_has_all_of_the_child(parent: Any, child: Any) -> None:
    assert merged(parent, child) == merged(merged(parent, child), child)
    assert merged({}, child) == child


def test_null_removes_a_value() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}
