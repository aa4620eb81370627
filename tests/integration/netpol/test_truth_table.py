"""Real packets between network namespaces agree with the text of the NetworkPolicy API."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from local.netpol.enforce import Enforcer
from tests.netpol import generate
from tests.netpol.lab import NODE, OUTSIDE, Lab, enforce, lab_of, shut
from tests.netpol.reference import Edge

PODS = tuple(f"10.246.0.{n}" for n in range(10, 17))
UNKNOWN = "10.246.0.99"
EVERYBODY = (*PODS, UNKNOWN, NODE, OUTSIDE)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of([*PODS, UNKNOWN]) as lab:
        yield lab


@pytest.fixture
def enforcer(lab: Lab) -> Enforcer:
    return shut(lab)


def edges() -> list[Edge]:
    return [
        Edge(source, target, protocol, port)
        for source in EVERYBODY
        for target in EVERYBODY
        for protocol in generate.PROTOCOLS
        for port in generate.PORTS
        # What the node and the outside do among themselves is nobody's business here.
        if {source, target} & {*PODS, UNKNOWN}
    ]


def pods(rng: random.Random) -> list[dict[str, Any]]:
    names = [generate.NAMESPACES[n % len(generate.NAMESPACES)] for n in range(len(PODS))]
    return [generate.pod(rng, f"pod-{n}", names[n], address) for n, address in enumerate(PODS)]


def test_nothing_is_open_before_the_first_sync(lab: Lab, enforcer: Enforcer) -> None:
    tried = edges()
    expected = {e for e in tried if e.source in (NODE, e.target)}
    assert enforcer.intact()
    assert lab.disagreements(tried, expected) == set()


@pytest.mark.parametrize("seed", range(16))
def test_packets_agree_with_the_reference(lab: Lab, enforcer: Enforcer, seed: int) -> None:
    rng = random.Random(seed)
    policies = [generate.policy(rng, n, [*PODS, NODE, OUTSIDE]) for n in range(rng.randint(1, 9))]
    cluster = lab.cluster(generate.namespaces(rng), pods(rng), policies)
    enforce(enforcer, cluster)
    tried = edges()
    expected = {edge for edge in tried if cluster.allowed(edge)}
    assert lab.disagreements(tried, expected) == set()
