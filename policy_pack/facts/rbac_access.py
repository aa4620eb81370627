"""Who can reach data through the cluster's own rights: Secrets, commands in pods, ServiceAccounts' tokens."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from policy_pack.facts.principals import PRINCIPAL, Who, takers
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE
from policy_pack.stack.text import called, word, words
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("rbac.yaml")
EVERYWHERE = "every namespace"
ROLES = ("k8s:rbac.authorization.k8s.io/Role", "k8s:rbac.authorization.k8s.io/ClusterRole")
BINDINGS = ("k8s:rbac.authorization.k8s.io/RoleBinding", "k8s:rbac.authorization.k8s.io/ClusterRoleBinding")
_ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_ENTRY = "aws:eks/accessEntry:AccessEntry"


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """Verbs on resources of API groups."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class _Table:
    abilities: Mapping[str, tuple[Rule, ...]]
    builtin: Mapping[str, tuple[Rule, ...]]
    eks: Mapping[str, str]


@dataclass(frozen=True, order=True)
class Ability:
    """What somebody can do in a namespace.

    Parameters
    ----------
    namespace
        Where; all of them in one word.
    who, ability
        Who can do what.
    through
        Binding and role that give it.
    only
        The names of the objects that it is limited to.
    """

    namespace: str
    who: Who
    ability: str
    through: tuple[str, ...]
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rights:
    """All abilities, and the bindings whose role is not in the state."""

    abilities: tuple[Ability, ...]
    unclear: tuple[str, ...]


Rules = tuple[tuple[Rule, tuple[str, ...]], ...]
"""Rules of a role, each with the names of the objects that it is limited to."""


@cache
def table() -> _Table:
    """Return what counts as reaching data, and the roles that every cluster has."""
    return TypeAdapter(_Table).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def rights(graph: Graph) -> Rights:
    """Return what bindings and the account's access entries give."""
    roles = {_role_key(role): _rules(role) for role in graph.of(*ROLES)}
    people = _People(graph)
    found: set[Ability] = set()
    unclear: set[str] = set()
    for binding in graph.of(*BINDINGS):
        home = word(binding.at("metadata.namespace"))
        kind, name = word(binding.at("roleRef.kind")), word(binding.at("roleRef.name"))
        rules = roles.get((kind, home if kind == "Role" else "", name))
        if rules is None and kind == "ClusterRole" and name in table().builtin:
            rules = _builtin(name)
        if rules is None:
            unclear.add(f"{called(binding)}: {kind} {name}")
            continue
        given = f"{kind} {name} by {word(binding.at('kind')) or binding.kind.rpartition('/')[2]} {called(binding)}"
        for who, way in _subjects(binding, home, people):
            found |= set(_abilities(home or EVERYWHERE, who, rules, (given, *way)))
    for association in graph.of(_ASSOCIATION):
        found |= set(_associated(association, people, unclear))
    return Rights(tuple(sorted(found)), tuple(sorted(unclear)))


def _role_key(role: Resource) -> tuple[str, str, str]:
    kind = role.kind.rpartition("/")[2]
    home = word(role.at("metadata.namespace")) if kind == "Role" else ""
    return kind, home, word(role.at("metadata.name")) or role.name


def _rules(role: Resource) -> Rules:
    def part(rule: View, name: str) -> tuple[str, ...]:
        # The empty text counts: it is the name of the core group.
        return tuple(item.raw for item in rule.at(name).items() if isinstance(item.raw, str))

    return tuple(
        (Rule(part(rule, "apiGroups"), part(rule, "resources"), part(rule, "verbs")), part(rule, "resourceNames"))
        for rule in role.at("rules").items()
    )


class _People:
    """Who is behind the account's principals and the groups that access entries put them in."""

    def __init__(self, graph: Graph) -> None:
        by_urn = takers(graph)
        self._roles = {arn: by_urn[role.urn] for role in graph.of(ROLE) if (arn := word(role.at("arn")))}
        self._groups: dict[str, list[str]] = defaultdict(list)
        for entry in graph.of(_ENTRY):
            for group in words(entry.at("kubernetesGroups")):
                self._groups[group].append(word(entry.at("principalArn")))

    def behind(self, arn: str) -> list[tuple[Who, tuple[str, ...]]]:
        """Return who takes a role of this stack, with the role; else the principal itself."""
        if arn in self._roles:
            return [(who, (f"role {arn.rpartition('/')[2]}",)) for who in self._roles[arn]]
        return [(Who(PRINCIPAL, arn), ())]

    def in_group(self, group: str) -> list[tuple[Who, tuple[str, ...]]]:
        """Return who is in a group; the group itself where no access entry tells."""
        members = [
            (who, (f"group {group}", *way)) for arn in self._groups.get(group, ()) for who, way in self.behind(arn)
        ]
        return members or [(Who("group", group), ())]


def _subjects(binding: Resource, home: str, people: _People) -> Iterator[tuple[Who, tuple[str, ...]]]:
    for subject in binding.at("subjects").items():
        kind, name = word(subject.at("kind")), word(subject.at("name"))
        if kind == "ServiceAccount":
            yield Who(kind, f"{word(subject.at('namespace')) or home}/{name}"), ()
        elif kind == "Group":
            yield from people.in_group(name)
        elif kind:
            yield Who(kind.lower(), name), ()


def _abilities(home: str, who: Who, rules: Rules, through: tuple[str, ...]) -> Iterator[Ability]:
    for ability, needed in table().abilities.items():
        only: set[str] = set()
        hit = whole = False
        for rule, names in rules:
            if any(_gives(rule, wanted) for wanted in needed):
                hit, whole = True, whole or not names
                only |= set(names)
        if hit:
            yield Ability(home, who, ability, through, () if whole else tuple(sorted(only)))


def _gives(rule: Rule, wanted: Rule) -> bool:
    pairs = ((rule.groups, wanted.groups), (rule.resources, wanted.resources), (rule.verbs, wanted.verbs))
    return all("*" in given or set(given) & set(asked) for given, asked in pairs)


def _associated(association: Resource, people: _People, unclear: set[str]) -> Iterator[Ability]:
    """Return what an access entry of EKS gives an AWS principal by an access policy."""
    policy = word(association.at("policyArn")).rpartition("/")[2]
    role = table().eks.get(policy)
    if role is None:
        unclear.add(f"{association.name}: access policy {policy or 'not known'}")
        return
    scoped = word(association.at("accessScope.type")) == "namespace"
    homes = words(association.at("accessScope.namespaces")) if scoped else [EVERYWHERE]
    for who, way in people.behind(word(association.at("principalArn")) or association.name):
        for home in homes:
            yield from _abilities(home, who, _builtin(role), (f"EKS access policy {policy}", *way))


def _builtin(role: str) -> Rules:
    return tuple((rule, ()) for rule in table().builtin[role])
