"""The policies of Envoy Gateway that are in effect for a route: the most specific one replaces the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy_pack.facts.exposure.gateway_objects import Attached, Target, policies
from policy_pack.facts.exposure.protections import Spec
from policy_pack.stack.graph import Graph
from policy_pack.stack.values import View


@dataclass(frozen=True)
class Scope:
    """Scope of a policy, from the most specific to the least: rule, route, listener, gateway.

    Parameters
    ----------
    label
        The scope for messages.
    targets
        The objects, each with its labels.
    rules
        The rules of the route that it is.
    """

    label: str
    targets: Sequence[tuple[Target, Mapping[str, str]]]
    rules: Sequence[View] = ()


@dataclass(frozen=True)
class Effective:
    """A policy in effect, merged with those that it extends; an empty spec where there is none."""

    spec: Spec
    label: str


def effective(graph: Graph, kind: str, scope: Scope) -> list[Effective]:
    """Return the policies of a kind that can be in effect for a scope.

    Where several policies name the same object, only the oldest one is in effect. The stack does not show which one
    that is, so all are returned and each must protect.
    """
    found = policies(graph, kind)
    return list(_effective(found.of(*target) for target in scope.targets)) or [Effective({}, "no policy")]


def _effective(levels: Iterator[list[Attached]]) -> Iterator[Effective]:
    for attached in levels:
        if not attached:
            continue
        rest = list(levels)
        for policy in attached:
            yield from _with_parents(policy, rest)
        return


def _with_parents(policy: Attached, parents: list[list[Attached]]) -> Iterator[Effective]:
    if policy.foreign:
        yield Effective({}, f"{policy.label} selects targets in other namespaces")
    elif policy.spec.get("mergeType"):
        for parent in list(_effective(iter(parents))) or [Effective({}, "")]:
            yield Effective(merged(parent.spec, policy.spec), policy.label)
    else:
        yield Effective(policy.spec, policy.label)


def merged(parent: Any, child: Any) -> Any:
    """Return a value merged into its parent: maps key by key; null removes a key, and lists replace the parent's."""
    if not (isinstance(parent, Mapping) and isinstance(child, Mapping)):
        return child
    kept = {key: value for key, value in parent.items() if key not in child}
    changed = {key: merged(parent.get(key), value) for key, value in child.items() if value is not None}
    return kept | changed
