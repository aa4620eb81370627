"""What a computation reads of a stack, and which changes can affect it."""

import pytest

from policy_pack.stack.graph import Graph, Resource
from tests.policy.attacks.mutation import Family, Mutation, Target
from tests.policy.attacks.tracing import Difference, TracedGraph

KEY, BUCKET = "aws:kms/key:Key", "aws:s3/bucket:Bucket"
BASE = Graph([Resource(f"urn::{name}", kind, name, {}) for name, kind in (("k", KEY), ("b", BUCKET))], "dev")
FAMILY = Family("test", Target("dev", BASE))


def difference(mutation: Mutation) -> Difference:
    return Difference.between(BASE, mutation.graph(BASE))


ADD_KEY = difference(FAMILY.add("more", FAMILY.build(KEY, "more", {})))
DROP_BUCKET = difference(FAMILY.drop(BASE.at("urn::b")))
ADD_VAULT = difference(FAMILY.add("more", FAMILY.build("vault:index/mount:Mount", "more", {})))


@pytest.mark.parametrize(
    ("read", "affected"),
    [
        (lambda graph: graph.of(KEY), (True, False, False)),
        (lambda graph: graph.get("urn::b"), (False, True, False)),
        (lambda graph: "urn::b" in graph._by_urn, (False, True, False)),
        (lambda graph: graph.uses("vault"), (False, False, True)),
        (lambda graph: graph.of_package("aws"), (True, True, False)),
        (lambda graph: graph.where("bucket", "x", BUCKET), (False, True, False)),
        # No bucket names a key, so that no key was asked for.
        (lambda graph: graph.referrers(graph.at("urn::k"), BUCKET, "key", ("arn",)), (False, True, False)),
        (lambda graph: list(graph), (True, True, True)),
        (lambda graph: len(graph), (True, True, True)),
        (lambda graph: graph.resources, (True, True, True)),
        (lambda graph: graph.root, (False, False, False)),
    ],
)
def test_a_change_of_what_was_read_is_seen(read: object, affected: tuple[bool, ...]) -> None:
    graph = TracedGraph(BASE)
    assert callable(read)
    read(graph)
    assert tuple(one.concerns(graph.reads) for one in (ADD_KEY, DROP_BUCKET, ADD_VAULT)) == affected


def test_a_traced_stack_answers_as_the_stack() -> None:
    graph = TracedGraph(BASE)
    assert graph.resources == BASE.resources
    assert graph.of(KEY) == BASE.of(KEY)
    assert graph.uses("aws")
    assert not graph.uses("vault")
    assert graph.root.urn == BASE.root.urn
