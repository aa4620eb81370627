"""What the pack computes of a stack, without what it says of it: who may do what, what connects, and the ways in."""

from collections.abc import Callable, Iterable, Iterator

from policy_pack.evidence.network.network_map import network_map
from policy_pack.facts.exposure.cluster_services import host_ports, ingresses, services
from policy_pack.facts.exposure.entry_points import EntryPoint
from policy_pack.facts.exposure.gateways import listeners
from policy_pack.facts.exposure.load_balancers import load_balancers
from policy_pack.facts.exposure.security_groups import admitted_networks, ingress_rules
from policy_pack.facts.grants.evaluators import stack_grants
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import GATEWAY, INGRESS, LOAD_BALANCERS, SERVICE
from policy_pack.stack.pods import CONTAINER_OWNERS
from policy_pack.stack.values import NotKnownError
from tests.policy.attacks.stacks import Attacked

Fact = tuple[str, ...]
_FORM_ERRORS = (AttributeError, KeyError, IndexError, TypeError, ValueError, NotKnownError)
_CLUSTER: tuple[tuple[tuple[str, ...], Callable[[Resource, StackContext], Iterable[EntryPoint]]], ...] = (
    ((GATEWAY,), listeners),
    ((SERVICE,), services),
    ((INGRESS,), ingresses),
    (CONTAINER_OWNERS, host_ports),
    (LOAD_BALANCERS, load_balancers),
)


def facts(graph: Graph, attacked: Attacked) -> frozenset[Fact]:
    """Return all grants, connections and entry points of a stack; what cannot be computed is a fact as well."""
    return frozenset().union(*(compute(graph, attacked) for compute in PARTS))


def _part(compute: Callable[[StackContext], Iterator[Fact]]) -> Callable[[Graph, Attacked], frozenset[Fact]]:
    def part(graph: Graph, attacked: Attacked) -> frozenset[Fact]:
        try:
            return frozenset(compute(StackContext(graph, attacked.settings, attacked.addresses)))
        except _FORM_ERRORS as error:
            return frozenset({("cannot be computed", compute.__name__, repr(error))})

    return part


def _grants(context: StackContext) -> Iterator[Fact]:
    for grant in stack_grants(context.graph, context.settings)[1]:
        verb = str(grant.verb)
        yield "grant", grant.subject.name, grant.subject.hospital, grant.data.name, grant.data.hospital, verb


def _connections(context: StackContext) -> Iterator[Fact]:
    for one in network_map(context).connections:
        yield "connection", one.source, one.target, one.ports


def _entries(context: StackContext) -> Iterator[Fact]:
    for kinds, compute in _CLUSTER:
        for resource in context.graph.of(*kinds):
            for entry in compute(resource, context):
                yield "entry", entry.kind, entry.label, str(entry.reach)
    for resource in context.graph:
        for rule in ingress_rules(resource):
            for entry in admitted_networks(rule, context.graph):
                yield "entry", entry.kind, entry.label, str(entry.reach)


PARTS = (_part(_grants), _part(_connections), _part(_entries))
"""The facts in parts, each of which is computed by itself."""
