"""The comparison of grants with the table of access: what is granted beyond it, and what it allows in vain."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policy_pack.facts.grants.access_table import AccessTable, Permission, Scope
from policy_pack.facts.grants.grant import EVERYTHING, Data, Grant, Subject
from policy_pack.facts.verbs import Verb

_NAMED = 3


@dataclass(frozen=True)
class Beyond:
    """Equal grants of one resource that the table does not allow.

    Parameters
    ----------
    source
        The URN of the resource.
    message
        The sentence about them.
    certain
        False where a value that decides is not known yet.
    own
        Whether the principal is in the table, and the data is of its own hospital or of none.
    """

    source: str
    message: str
    certain: bool
    own: bool


def beyond(grants: Iterable[Grant], table: AccessTable) -> list[Beyond]:
    """Return the grants that the table does not allow, grouped by resource, principal and data class."""
    groups: dict[tuple[str, str, str, Scope, bool], list[Grant]] = defaultdict(list)
    for grant in grants:
        who, scope = table.name_of(grant.subject.name), Scope.of(grant.subject.hospital, grant.data.hospital)
        if grant.verb and grant.data.name != EVERYTHING and table.allows(who, grant.data.name, grant.verb, scope):
            continue
        # What the other principal may do is compared where it is that one's own.
        if grant.acted and table.may_act(who, table.name_of(grant.acted.name)):
            continue
        groups[grant.source, who, grant.data.name, scope, grant.certain].append(grant)
    return [
        Beyond(
            source,
            _message(sorted(set(group)), who, data, table),
            certain,
            own=who in table.principals and scope is not Scope.EVERY,
        )
        for (source, who, data, scope, certain), group in sorted(groups.items())
    ]


def _message(group: list[Grant], who: str, data: str, table: AccessTable) -> str:
    places = [" -> ".join(grant.path) for grant in group]
    named = "; ".join(places[:_NAMED])
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"{named}{more}; {_rule(who, data, table)}"


def _rule(who: str, data: str, table: AccessTable) -> str:
    """Return what the table says about a principal and a data class."""
    if who not in table.principals:
        return f"access.yaml has no principal {who}"
    if data == EVERYTHING:
        return f"access.yaml cannot be compared with what {who} may do"
    if data not in table.data:
        return "access.yaml does not describe this data: add it to a class of `data`"
    by_scope: dict[Scope, list[str]] = defaultdict(list)
    order = list(Verb)
    own = [one for one in table.permissions if one.who == who and one.data == data]
    for permission in sorted(own, key=lambda one: order.index(one.verb)):
        by_scope[permission.scope].append(permission.verb)
    texts = {Scope.OWN: " of its own hospital only", Scope.EVERY: " of every hospital", Scope.NONE: " of no hospital"}
    rules = [f"{', '.join(verbs)} {data}{texts[scope]}" for scope, verbs in by_scope.items()]
    return f"access.yaml lets {who} {' and '.join(rules)}" if rules else f"access.yaml does not let {who} use {data}"


def unused(permission: Permission) -> str:
    """Return the sentence about a permission of the table that nothing grants."""
    whose = {Scope.OWN: "its own hospital", Scope.EVERY: "every hospital", Scope.NONE: "no hospital"}[permission.scope]
    return (
        f"access.yaml lets {permission.who} {permission.verb} {permission.data} of {whose}, and nothing grants it; "
        "remove it from the table, or declare the grant"
    )


def missing(
    grants: Iterable[Grant], table: AccessTable, subjects: Iterable[Subject], data: Iterable[Data]
) -> Iterator[Permission]:
    """Return what the table allows and nothing grants, of workloads and data that the stack declares."""
    granted: set[Permission] = set()
    for grant in grants:
        if not grant.certain:
            return  # what is not known yet may grant it
        who, scope = table.name_of(grant.subject.name), Scope.of(grant.subject.hospital, grant.data.hospital)
        if grant.verb:
            granted.add(Permission(who, grant.data.name, grant.verb, scope))
    declared = {(table.name_of(subject.name), subject.hospital) for subject in subjects}
    places = set(data)
    for permission in sorted(table.permissions, key=lambda one: (one.who, one.data, one.verb, one.scope)):
        if permission in granted or not _is_declared(permission, declared, places):
            continue
        if permission.scope is Scope.EVERY:
            own = Permission(permission.who, permission.data, permission.verb, Scope.OWN)
            if own in granted:
                continue
        yield permission


def _is_declared(permission: Permission, declared: set[tuple[str, str]], places: set[Data]) -> bool:
    hospitals = {hospital for who, hospital in declared if who == permission.who}
    theirs = {one.hospital for one in places if one.name == permission.data}
    if permission.scope is Scope.OWN:
        return bool(hospitals & theirs - {""})
    if permission.scope is Scope.NONE:
        return bool(hospitals) and "" in theirs
    return bool(hospitals) and bool(theirs - {""})
