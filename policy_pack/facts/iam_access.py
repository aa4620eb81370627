"""What IAM lets whom do with the account's stores: roles' policies, stores' policies and keys' policies together.

Where a request could be made so that it is allowed, it counts as allowed: the matrix may say too much, not too little.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from policy_pack.facts.access import Access, gathered
from policy_pack.facts.data_stores import Keys, Store, Verb, stores
from policy_pack.facts.iam.conditions import Holds, holds, told
from policy_pack.facts.iam.patterns import fits, literal, meet
from policy_pack.facts.iam.policies import Held, Rights, defers_to_account, of_store, rights
from policy_pack.facts.iam.statements import Statement
from policy_pack.facts.principals import PRINCIPAL, Who, takers
from policy_pack.stack.graph import Graph
from policy_pack.stack.text import word


@dataclass(frozen=True)
class _Way:
    """A part of a store that a statement opens."""

    part: str
    policy: str
    when: tuple[str, ...]


@dataclass(frozen=True)
class _Asking:
    """Who asks: an ARN, its account, and what is known of every request of it."""

    arn: str
    account: str
    known: Mapping[str, str]


class Cloud:
    """The account's stores, and who reaches them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._rights = rights(graph)
        self._takers = takers(graph)
        self._keys = Keys(graph)
        self.stores = {store.resource.urn: store for store in stores(graph)}
        self._policies = {urn: of_store(graph, store) for urn, store in self.stores.items()}
        self._index = sorted(
            (literal(place).rstrip("/:"), urn)
            for urn, store in self.stores.items()
            for place in (store.arn, store.contents)
            if place
        )
        self._roles = {word(item.role.at("arn")) for item in self._rights}
        self._named: dict[str, set[str]] = defaultdict(set)
        for urn, own in self._policies.items():
            for held in own or ():
                everybody = (("*", "*"),) if "Principal" in held.statement.turned else ()
                for _, value in (*held.statement.principals, *everybody) if held.statement.allows else ():
                    self._named[value].add(urn)

    def access(self) -> list[Access]:
        """Return all access, by store, principal and verb."""
        return gathered([*self._of_roles(), *self._of_others()])

    def elsewhere(self) -> list[tuple[str, str]]:
        """Return (role, policy) where the text of a role's policy is not in the state."""
        return [(item.role.name, policy) for item in self._rights for policy in item.elsewhere]

    def _of_roles(self) -> Iterator[Access]:
        for item in self._rights:
            arn = word(item.role.at("arn"))
            asking = _asking(arn, item.role.props.get("tags"))
            for store in self._reached(item, arn):
                for name, verb in store.kind.verbs.items():
                    ways = self._with_key(item, asking, store, verb)
                    for who in self._takers[item.role.urn] if ways else ():
                        yield _access(store, who, name, ways, verb, f"role {item.role.name}")

    def _reached(self, item: Rights, arn: str) -> list[Store]:
        """Return the stores that a role may reach at all, so that many hospitals are never walked for one role."""
        patterns = {
            pattern
            for held in item.held
            if held.statement.allows
            for pattern in (held.statement.resources if "Resource" not in held.statement.turned else ("*",))
        }
        found = {urn for pattern in patterns for urn in self._near(literal(pattern))}
        found |= self._named.get(arn, set()) | self._named.get("*", set())
        return [self.stores[urn] for urn in sorted(found)]

    def _near(self, start: str) -> Iterator[str]:
        first = bisect_left(self._index, (start.rstrip("/:"), ""))
        for place, urn in self._index[first:]:
            if not place.startswith(start.rstrip("/:")):
                break
            yield urn
        cuts = [position for position, sign in enumerate(start) if sign in "/:"]
        for cut in (*cuts, len(start)):
            at = bisect_left(self._index, (start[:cut], ""))
            while at < len(self._index) and self._index[at][0] == start[:cut]:
                yield self._index[at][1]
                at += 1

    def _with_key(self, item: Rights | None, asking: _Asking, store: Store, verb: Verb) -> list[_Way]:
        """Return the ways to act on a store; where its key is needed too, only with a way to the key."""
        place = store.arn if verb.of == "store" else store.contents
        ways = self._ways(item, asking, store, verb.action, place)
        key = self._keys.of(store.resource) if ways and verb.key else None
        locked = self.stores.get(key.urn) if key else None
        if locked is None:
            return ways
        # The store's own service uses the key on the caller's behalf, in the key's region.
        service = f"{store.arn.split(':')[2]}.{locked.arn.split(':')[3]}.amazonaws.com"
        by_service = replace(asking, known={**asking.known, "kms:viaservice": service})
        opened = self._ways(item, by_service, locked, verb.key, locked.arn)
        if not opened:
            return []
        free = any(not way.when for way in opened)
        extra = () if free else tuple(f"{when} (key)" for way in opened for when in way.when)
        return [_Way(way.part, way.policy, (*way.when, *extra)) for way in ways]

    def _ways(self, item: Rights | None, asking: _Asking, store: Store, action: str, place: str) -> list[_Way]:
        own = self._policies[store.resource.urn]
        mine = item.held if item and defers_to_account(store, own) else ()
        bounds = item.bounds if item else None
        given = [
            way
            for held in mine
            for way in _opened(held, asking, action, place)
            if bounds is None or _bounded(bounds, asking, action, way)
        ]
        given += [way for held in own or () if _names(held, asking.arn) for way in _opened(held, asking, action, place)]
        denials = [*(item.held if item else ()), *(bounds or ()), *(h for h in own or () if _concerns(h, asking))]
        return [way for way in given if not any(_denied(held, asking, action, way.part) for held in denials)]

    def _of_others(self) -> Iterator[Access]:
        """Return the access of principals that stores' policies name and that are no roles of this stack."""
        for urn, own in self._policies.items():
            named = {pair for held in own or () if held.statement.allows for pair in held.statement.principals}
            for kind, value in sorted(named):
                if value in self._roles:
                    continue
                store, asking = self.stores[urn], _asking(value)
                for name, verb in store.kind.verbs.items():
                    place = store.arn if verb.of == "store" else store.contents
                    ways = self._ways(None, asking, store, verb.action, place)
                    if ways:
                        yield _access(store, _who(kind, value), name, ways, verb, "")


def _asking(arn: str, tags: object = None) -> _Asking:
    parts = arn.split(":")
    account = parts[4] if len(parts) > 4 else arn if arn.isdigit() else ""
    known = {"aws:securetransport": "true"}
    if isinstance(tags, Mapping):
        known |= {f"aws:principaltag/{key}".lower(): value for key, value in tags.items() if isinstance(value, str)}
    if account:
        known |= {"aws:principalaccount": account, "aws:principalisawsservice": "false"}
        if not arn.endswith(":root") and not arn.isdigit():
            known["aws:principalarn"] = arn
    return _Asking(arn, account, known)


def _who(kind: str, value: str) -> Who:
    if value == "*":
        return Who("anybody", "at all")
    if kind == "Service":
        return Who("AWS service", value)
    if value.endswith(":root"):
        return Who("people", f"of account {value.split(':')[4]}: its root user")
    return Who(PRINCIPAL, value)


def _names(held: Held, arn: str) -> bool:
    """Return whether a store's policy lets somebody in by name; an account is no name, as its own policies decide."""
    if not held.statement.allows:
        return False
    return "Principal" in held.statement.turned or any(value in ("*", arn) for _, value in held.statement.principals)


def _concerns(held: Held, asking: _Asking) -> bool:
    """Return whether a store's policy speaks of somebody, to deny."""
    accounts = (asking.account, f"arn:aws:iam::{asking.account}:root") if asking.account else ()
    return any(value in ("*", asking.arn, *accounts) for _, value in held.statement.principals)


def _about(statement: Statement, action: str) -> bool:
    return statement.covers(action) is not ("Action" in statement.turned)


def _opened(held: Held, asking: _Asking, action: str, place: str) -> Iterator[_Way]:
    statement = held.statement
    if not statement.allows or not place or not _about(statement, action):
        return
    if holds(statement, asking.known) is Holds.NO:
        return
    when = tuple(told(statement, asking.known))
    if "Resource" in statement.turned:
        if not any(fits(pattern, place) for pattern in statement.resources):
            yield _Way(place, held.policy, (*when, f"all but {', '.join(statement.resources)}"))
        return
    for pattern in statement.resources:
        if fits(pattern, place):
            yield _Way(place, held.policy, when)
        elif meet(pattern, place):
            yield _Way(pattern, held.policy, when)


def _denied(held: Held, asking: _Asking, action: str, part: str) -> bool:
    statement = held.statement
    if statement.allows or not _about(statement, action) or holds(statement, asking.known) is not Holds.YES:
        return False
    if "Resource" in statement.turned:
        return not any(meet(pattern, part) for pattern in statement.resources)
    return any(fits(pattern, part) for pattern in statement.resources)


def _access(store: Store, who: Who, name: str, ways: Iterable[_Way], verb: Verb, role: str) -> Access:
    ways = list(ways)
    place = store.arn if verb.of == "store" else store.contents
    start = literal(place)
    parts = () if any(way.part == place for way in ways) else tuple(sorted({_short(way.part, start) for way in ways}))
    when = () if any(not way.when for way in ways) else tuple(sorted({text for way in ways for text in way.when}))
    policies = sorted({f"policy {way.policy}" for way in ways})
    return Access(store.resource.urn, who, name, parts, tuple(filter(None, (role, *policies))), when)


def _short(part: str, start: str) -> str:
    return part.removeprefix(start) or part


def _bounded(bounds: Iterable[Held], asking: _Asking, action: str, way: _Way) -> bool:
    return any(True for held in bounds for _ in _opened(held, asking, action, way.part))
