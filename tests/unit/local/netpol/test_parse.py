"""What becomes of every value that a NetworkPolicy may hold, and of those that the API does not define."""

import os
import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.netpol.compile import Network, Ruleset, _without, compile_ruleset
from local.netpol.model import Block, Direction, NamedPort, Namespace, Pod, Snapshot
from local.netpol.parse import parse_policy
from tests.netpol import policies
from tests.netpol.reference import selects

Json = dict[str, Any]
NETWORK = Network(IPv4Network("10.245.0.0/16"))
PODS = tuple(
    Pod(
        f"p{number}",
        policies.NAMESPACES[number % 2],
        f"p{number}",
        {"app": "a"} if number < 2 else {},
        IPv4Address(f"10.245.0.{number + 2}"),
        (NamedPort("web", "TCP", 8080), NamedPort("a-15-characters", "SCTP", 1)),
    )
    for number in range(4)
)
SPACES = tuple(map(Namespace, policies.NAMESPACES))
SANDBOX = ("unshare", "-n", "nft", "-c", "-f", "-")


def compiled(*written: Json) -> Ruleset:
    return compile_ruleset(Snapshot(PODS, SPACES, tuple(map(parse_policy, written))), NETWORK)


def loads(ruleset: Ruleset) -> str:
    """Return what a kernel without other rules says against a ruleset."""
    done = subprocess.run(SANDBOX, input=ruleset.text, capture_output=True, text=True, check=False, timeout=30)
    return done.stderr


@pytest.fixture(scope="module")
def nft() -> None:
    if os.geteuid() or not shutil.which("nft") or not shutil.which("unshare"):
        pytest.skip("needs root and nftables")


@settings(max_examples=40, deadline=None)
@given(st.lists(policies.policies(), min_size=1, max_size=5))
def test_whatever_the_api_allows_is_compiled_and_loads(nft: None, written: list[Json]) -> None:
    assert [parsed.problem for parsed in map(parse_policy, written) if parsed.problem] == []
    assert loads(compiled(*written)) == ""


@given(policies.policies())
def test_each_policy_isolates_the_pods_that_it_selects(written: Json) -> None:
    policy = parse_policy(written)
    for pod in PODS:
        assert policy.pods.matches(pod.labels) == selects(written["spec"]["podSelector"], dict(pod.labels))


@pytest.mark.parametrize("length", [1, 100, 126, 127, 128, 253])
def test_policies_with_long_names_load_and_are_told_apart(nft: None, length: int) -> None:
    spec: Json = {"podSelector": {}, "ingress": [{}]}
    metas = [{"namespace": "m" * 63, "name": "a" * (length - 1) + last, "uid": last} for last in "xy"]
    ruleset = compiled(*({"metadata": meta, "spec": spec} for meta in metas))
    assert loads(ruleset) == ""
    comments = [line for line in ruleset.text.splitlines() if 'comment "' in line]
    assert len(set(comments)) == 2
    assert compiled(*({"metadata": meta, "spec": spec} for meta in metas)).text == ruleset.text


def test_a_huge_policy_loads(nft: None) -> None:
    blocks = [
        {"ipBlock": {"cidr": f"{n}.0.0.0/8", "except": [f"{n}.{k}.0.0/24" for k in range(20)]}} for n in range(11, 31)
    ]
    ports = [{"port": 2 * n + 1, "protocol": protocol} for n in range(200) for protocol in ("TCP", "UDP", "SCTP")]
    ports += [{"port": f"name-{n}"} for n in range(100)]
    spec = {"podSelector": {}, "egress": [{"to": blocks, "ports": ports}] * 3}
    assert loads(compiled({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})) == ""


def test_many_exceptions_are_taken_out_at_once() -> None:
    holes = [IPv4Network((n * 512, 24)) for n in range(2_000)]
    pieces = list(_without(IPv4Network("0.0.0.0/0"), holes))
    assert sum(piece.num_addresses for piece in pieces) == 2**32 - 2_000 * 256


@pytest.mark.parametrize(("spec", "directions"), policies.UNDEFINED)
def test_what_the_api_does_not_define_closes_the_policys_own_pods(spec: Any, directions: tuple[str, ...]) -> None:
    good = {"metadata": {"namespace": "m" * 63, "name": "good", "uid": "g"}, "spec": {"podSelector": {}}}
    bad = parse_policy({"metadata": {"namespace": "n", "name": "bad", "uid": "b"}, "spec": spec})
    assert bad.problem
    assert bad.rules == {Direction(name): () for name in directions}
    denied = {"metadata": {"namespace": "n", "name": "bad"}, "spec": {"policyTypes": list(directions)}}
    assert compile_ruleset(Snapshot(PODS, SPACES, (bad, parse_policy(good))), NETWORK).text == (
        compiled(denied, good).text
    )


def test_an_unclear_rule_leaves_the_selection_as_it_is() -> None:
    spec = {"podSelector": {"matchLabels": {"app": "a"}}, "ingress": [{"ports": [{"protocol": "ICMP"}]}]}
    policy = parse_policy({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})
    assert policy.problem == "the protocol 'ICMP' is not one of TCP, UDP, SCTP"
    assert [pod.name for pod in PODS if policy.pods.matches(pod.labels)] == ["p0", "p1"]


@pytest.mark.parametrize(
    ("block", "network", "excluded"),
    [
        ({"cidr": "010.001.0.0/16"}, "10.1.0.0/16", []),
        ({"cidr": "10.1.2.3/16", "except": ["10.1.009.0/24"]}, "10.1.0.0/16", ["10.1.9.0/24"]),
        ({"cidr": "10.0.0.0/8", "except": ["::ffff:10.1.0.0/112"]}, "10.0.0.0/8", ["10.1.0.0/16"]),
    ],
)
def test_ranges_are_read_as_the_api_server_reads_them(block: Json, network: str, excluded: list[str]) -> None:
    spec = {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}
    policy = parse_policy({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})
    [peer] = policy.rules[Direction.INGRESS][0].peers or ()
    assert isinstance(peer, Block)
    assert (str(peer.network), list(map(str, peer.excluded))) == (network, excluded)
