"""What rules come out, as far as it shows without a kernel."""

import itertools
import random
import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.netpol.compile import Network, Ruleset, _merged, _without, compile_ruleset
from local.netpol.model import (
    Direction,
    Namespace,
    Peers,
    Pod,
    Policy,
    Requirement,
    Rule,
    Selector,
    Snapshot,
    parse_namespace,
    parse_pod,
)
from local.netpol.parse import parse_policy
from tests.netpol import generate

NETWORK = Network(IPv4Network("10.245.0.0/16"))
EVERYTHING = Selector()

small = st.integers(0, 200)
ranges = st.lists(st.tuples(small, small).map(lambda pair: (min(pair), max(pair))))
networks = st.builds(
    lambda address, prefix: IPv4Network((address, prefix), strict=False), st.integers(0, 255), st.integers(24, 32)
)


def pod(name: str, address: str, namespace: str = "n", created: str = "1") -> Pod:
    return Pod(name, namespace, name, {"app": name}, IPv4Address(address), created=created)


def verdicts(ruleset: Ruleset, direction: str) -> dict[str, str]:
    """Return the map from pods' addresses to verdicts."""
    found = re.search(rf"map \w+_{direction} \{{[^}}]*elements = \{{ ([^}}]*) \}}", ruleset.text)
    return dict(entry.split(" : ") for entry in found[1].split(", ")) if found else {}


@given(ranges)
def test_merged_ranges_cover_the_same_ports_and_lie_apart(some: list[tuple[int, int]]) -> None:
    merged = _merged(some)
    assert {p for a, b in merged for p in range(a, b + 1)} == {p for a, b in some for p in range(a, b + 1)}
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(merged))


@given(networks, st.lists(networks))
def test_exceptions_are_taken_out_of_a_block_exactly(network: IPv4Network, holes: list[IPv4Network]) -> None:
    left = {address for piece in _without(network, holes) for address in piece}
    assert left == {address for address in network if not any(address in hole for hole in holes)}


def test_no_pod_is_known_at_first() -> None:
    ruleset = compile_ruleset(Snapshot(), NETWORK)
    assert verdicts(ruleset, "ingress") == verdicts(ruleset, "egress") == {}
    assert "vmap" in ruleset.text


def test_known_pods_without_policies_pass_and_others_are_judged() -> None:
    deny = Policy("n", "deny", Selector((Requirement("app", "In", frozenset("a")),)), {Direction.INGRESS: ()})
    ruleset = compile_ruleset(Snapshot((pod("a", "10.245.0.2"), pod("b", "10.245.0.3")), (), (deny,)), NETWORK)
    assert verdicts(ruleset, "ingress")["10.245.0.2"].startswith("goto")
    assert verdicts(ruleset, "ingress")["10.245.0.3"] == "accept"
    assert verdicts(ruleset, "egress") == {"10.245.0.2": "goto to_pod", "10.245.0.3": "goto to_pod"}


KNOWN = pod("a", "10.245.0.2")


@pytest.mark.parametrize(
    "hidden",
    [
        replace(KNOWN, finished=True),
        replace(KNOWN, host_network=True),
        replace(KNOWN, address=None),
        replace(KNOWN, address=IPv4Address("192.0.2.1")),
    ],
)
def test_pods_without_packets_of_their_own_are_unknown(hidden: Pod) -> None:
    assert "10.245.0.2" in verdicts(compile_ruleset(Snapshot((KNOWN,)), NETWORK), "ingress")
    assert verdicts(compile_ruleset(Snapshot((hidden,)), NETWORK), "ingress") == {}


def test_of_two_pods_with_one_address_the_younger_counts() -> None:
    deny = Policy("old", "deny", EVERYTHING, {Direction.INGRESS: ()})
    pods = (pod("a", "10.245.0.2", "new", created="2"), pod("b", "10.245.0.2", "old", created="1"))
    assert verdicts(compile_ruleset(Snapshot(pods, (), (deny,)), NETWORK), "ingress") == {"10.245.0.2": "accept"}


def test_a_namespace_that_is_not_known_yet_is_no_peer() -> None:
    unlabelled = Peers(Selector((Requirement("zone", "DoesNotExist"),)), EVERYTHING)
    allow = Policy("n", "allow", EVERYTHING, {Direction.INGRESS: (Rule(peers=(unlabelled,)),)})
    pods = (pod("a", "10.245.0.2"), pod("b", "10.245.0.3", namespace="m"))
    known = Snapshot(pods, (Namespace("n"), Namespace("m")), (allow,))
    assert "{ 10.245.0.2/31 }" in compile_ruleset(known, NETWORK).text
    assert "{ 10.245.0.2/32 }" in compile_ruleset(replace(known, namespaces=(Namespace("n"),)), NETWORK).text


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_objects_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    addresses = [f"10.245.0.{n}" for n in range(2, 12)]
    pods = [
        parse_pod(generate.pod(rng, f"p{n}", generate.NAMESPACES[n % 3], address))
        for n, address in enumerate(addresses)
    ]
    namespaces = list(map(parse_namespace, generate.namespaces(rng)))
    policies = [parse_policy(generate.policy(rng, n, addresses)) for n in range(8)]
    texts = set()
    for _ in range(3):
        for some in (pods, namespaces, policies):
            rng.shuffle(some)
        texts.add(compile_ruleset(Snapshot(tuple(pods), tuple(namespaces), tuple(policies)), NETWORK).text)
    assert len(texts) == 1


def test_the_names_in_a_ruleset_are_its_own() -> None:
    one = compile_ruleset(Snapshot((pod("a", "10.245.0.2"),)), NETWORK)
    other = compile_ruleset(Snapshot((pod("a", "10.245.0.3"),)), NETWORK)
    assert not set(one.owns.maps + one.owns.sets) & set(other.owns.maps + other.owns.sets)
    assert "~" not in one.text


def test_equal_peers_share_one_set() -> None:
    peers = (Peers(None, EVERYTHING),)
    policies = tuple(
        Policy("n", f"p{n}", EVERYTHING, {Direction.INGRESS: (Rule(peers=peers),), Direction.EGRESS: (Rule(peers),)})
        for n in range(50)
    )
    ruleset = compile_ruleset(Snapshot((pod("a", "10.245.0.2"),), (), policies), NETWORK)
    assert len(ruleset.owns.sets) == 2  # the peers, and the pods themselves
