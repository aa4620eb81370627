"""Policies that the kernel refuses close their own pods and stop nobody else."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.netpol.compile import Network, Ruleset
from local.netpol.enforce import EnforcementError, Enforcer
from local.netpol.isolate import MOST_CHECKS, RETRY_SECONDS, Isolation
from local.netpol.model import Direction, Pod, Policy, Rule, Selector, Snapshot

NETWORK = Network(IPv4Network("10.245.0.0/16"))
POD = Pod("p", "n", "p", address=IPv4Address("10.245.0.2"))
ALLOW = {Direction.INGRESS: (Rule(),)}


class Kernel(Enforcer):
    """Refuses rulesets in which a policy that it does not like allows something."""

    def __init__(self, disliked: set[str]) -> None:
        self.disliked = disliked
        self.applied: list[Ruleset] = []
        self.checks = 0

    def _judge(self, ruleset: Ruleset) -> None:
        allowing = {block.split('"')[0] for block in ruleset.text.split('comment "n/')[1:] if "accept" in _chain(block)}
        if allowing & self.disliked:
            raise EnforcementError(f"does not like {sorted(allowing & self.disliked)[0]}")

    def check(self, ruleset: Ruleset) -> None:
        self.checks += 1
        self._judge(ruleset)

    def apply(self, ruleset: Ruleset) -> bool:
        self._judge(ruleset)
        self.applied.append(ruleset)
        return True


def _chain(block: str) -> str:
    return block.partition("}")[0]


def snapshot(names: list[str]) -> Snapshot:
    return Snapshot((POD,), (), tuple(Policy("n", name, Selector(), ALLOW, uid=name) for name in names))


def names(closed: tuple[Policy, ...]) -> set[str]:
    return {policy.name for policy in closed}


@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=2))
def test_exactly_the_refused_policies_are_closed(number: int, bad: set[int]) -> None:
    listed = [f"p{n}" for n in range(number)]
    disliked = {f"p{n}" for n in bad if n < number}
    kernel = Kernel(disliked)
    ruleset, _, closed = Isolation(kernel, NETWORK).enforce(snapshot(listed))
    assert names(closed) == disliked
    assert kernel.applied == [ruleset]
    assert all(policy.name in policy.problem for policy in closed)
    assert kernel.checks <= MOST_CHECKS


def test_a_refused_policy_is_not_tried_again_until_it_changes_or_time_has_passed() -> None:
    kernel, now = Kernel({"b"}), [0.0]
    isolation = Isolation(kernel, NETWORK, lambda: now[0])
    assert names(isolation.enforce(snapshot(["a", "b"]))[2]) == {"b"}
    spent = kernel.checks
    assert names(isolation.enforce(snapshot(["a", "b", "c"]))[2]) == {"b"}
    assert kernel.checks == spent
    now[0] = RETRY_SECONDS
    kernel.disliked = set()
    assert names(isolation.enforce(snapshot(["a", "b"]))[2]) == set()


def test_a_new_policy_is_found_at_once_among_many_that_were_taken_before() -> None:
    kernel = Kernel({"new"})
    isolation = Isolation(kernel, NETWORK)
    many = [f"p{n}" for n in range(500)]
    isolation.enforce(snapshot(many))
    assert names(isolation.enforce(snapshot([*many, "new"]))[2]) == {"new"}
    assert kernel.checks == 3


def test_what_is_not_cleared_in_time_stays_closed() -> None:
    listed = [f"p{n}" for n in range(200)]
    kernel = Kernel(set(listed[::2]))
    _, _, closed = Isolation(kernel, NETWORK).enforce(snapshot(listed))
    assert set(listed[::2]) <= names(closed)
    assert kernel.checks == MOST_CHECKS


def test_a_refusal_that_no_policy_causes_is_said_as_it_is() -> None:
    class Broken(Kernel):
        def _judge(self, ruleset: Ruleset) -> None:
            raise EnforcementError("no memory")

    isolation = Isolation(Broken(set()), NETWORK)
    with pytest.raises(EnforcementError, match="no memory"):
        isolation.enforce(snapshot(["a", "b"]))


def test_a_policy_that_cannot_even_be_compiled_is_closed() -> None:
    peers: Any = ("nobody",)
    broken = Policy("n", "broken", Selector(), {Direction.INGRESS: (Rule(peers=peers),)})
    kernel = Kernel(set())
    _, _, closed = Isolation(kernel, NETWORK).enforce(Snapshot((POD,), (), (broken, *snapshot(["a"]).policies)))
    assert names(closed) == {"broken"}
