"""What Vault lets whom do with keys, secrets and logins: policies, held by the roles of each way in."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from policy_pack.facts.access import Access, gathered
from policy_pack.facts.iam.patterns import meet
from policy_pack.facts.principals import Who
from policy_pack.facts.vault_policies import paths
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import VAULT_JWT_ROLE, VAULT_POLICY, VAULT_ROLE
from policy_pack.stack.text import word, words
from policy_pack.stack.values import NotKnownError

TABLE = Path(__file__).with_name("vault.yaml")
MOUNT = "vault:index/mount:Mount"
_STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, config=_STRICT)
class Request:
    """A request to Vault: its path, a longer form of it, and the capabilities of which one is needed."""

    path: str
    needs: tuple[str, ...]
    also: str = ""


@checked(frozen=True, config=_STRICT)
class Thing:
    """A kind of thing that Vault keeps, and the properties that say where."""

    mount: str
    name: str
    title: str
    requests: Mapping[str, Request]


@checked(frozen=True, config=_STRICT)
class _Table:
    things: Mapping[str, Thing]
    kv: Mapping[str, tuple[str, ...]]
    itself: tuple[str, ...]


@dataclass(frozen=True)
class _Rule:
    path: str
    capabilities: frozenset[str]
    policy: str


@dataclass(frozen=True)
class _Login:
    who: tuple[Who, ...]
    role: str
    rules: tuple[_Rule, ...]


@cache
def table() -> _Table:
    """Return what can be done with each thing that Vault keeps."""
    return TypeAdapter(_Table).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def things(graph: Graph) -> list[Resource]:
    """Return what Vault keeps: keys, logins, certificates, and mounts of secrets."""
    mounts = [mount for mount in graph.of(MOUNT) if word(mount.at("type")) == "kv"]
    return [*graph.of(*table().things), *mounts]


def access(graph: Graph) -> list[Access]:
    """Return all access to what Vault keeps, by thing, principal and verb."""
    kept = _by_mount(graph)
    return gathered(one for login in _logins(graph) for one in _of(login, kept, graph))


def unread(graph: Graph) -> list[str]:
    """Return the policies whose text is not in the state, or is none."""
    return sorted(policy.name for policy in graph.of(VAULT_POLICY) if _rules(policy) is None)


def _by_mount(graph: Graph) -> Mapping[str, list[Resource]]:
    """Return what is kept below each first part of a path, so that many hospitals are never walked for one role."""
    kept: dict[str, list[Resource]] = defaultdict(list)
    for thing in things(graph):
        row = table().things.get(thing.kind)
        kept[word(thing.at(row.mount if row else "path")).partition("/")[0]].append(thing)
    return kept


def _logins(graph: Graph) -> Iterator[_Login]:
    by_name: dict[str, list[_Rule]] = {}
    for policy in graph.of(VAULT_POLICY):
        by_name[word(policy.at("name")) or policy.name] = _rules(policy) or []
    for role in sorted(graph.of(VAULT_ROLE, VAULT_JWT_ROLE), key=lambda role: role.urn):
        rules = tuple(rule for name in words(role.at("tokenPolicies")) for rule in by_name.get(name, ()))
        name = word(role.at("roleName")) or role.name
        yield _Login(tuple(_who(role, name)), name, _merged(rules))


def _who(role: Resource, name: str) -> Iterator[Who]:
    if role.kind != VAULT_ROLE:
        yield Who("people", f"who log in to Vault by {name}")
        return
    for home in words(role.at("boundServiceAccountNamespaces")):
        for account in words(role.at("boundServiceAccountNames")):
            yield Who("ServiceAccount", f"{home}/{account}")


def _rules(policy: Resource) -> list[_Rule] | None:
    try:
        return [_Rule(path, frozenset(capabilities), policy.name) for path, capabilities in paths(policy.at("policy"))]
    except (NotKnownError, ValueError, AttributeError):
        return None


def _merged(rules: tuple[_Rule, ...]) -> tuple[_Rule, ...]:
    """Return one rule for each path: several policies add up, and a denial ends all."""
    by_path: dict[str, list[_Rule]] = defaultdict(list)
    for rule in rules:
        by_path[rule.path].append(rule)
    found = []
    for path, same in by_path.items():
        given = frozenset(capability for rule in same for capability in rule.capabilities)
        policies = ", ".join(sorted({rule.policy for rule in same}))
        found.append(_Rule(path, frozenset() if "deny" in given else given, policies))
    return tuple(sorted(found, key=lambda rule: _weight(rule.path), reverse=True))


def _weight(path: str) -> tuple[float, bool, int, int, str]:
    """Return how much a path counts: Vault asks the most exact one alone."""
    wild = [position for sign in "+*" if (position := path.find(sign)) >= 0]
    return (min(wild, default=float("inf")), not path.endswith("*"), -path.count("+"), len(path), path)


def _of(login: _Login, kept: Mapping[str, list[Resource]], graph: Graph) -> Iterator[Access]:
    if not login.rules:
        return
    firsts = {rule.path.partition("/")[0] for rule in login.rules}
    wild = any(sign in first for first in firsts for sign in "+*")
    for first in sorted(kept if wild else firsts & kept.keys()):
        for thing in kept[first]:
            ways = _of_thing(login, thing) if thing.kind in table().things else _of_mount(login, thing)
            for verb, parts, policy in ways:
                for who in login.who:
                    yield Access(thing.urn, who, verb, parts, (f"Vault role {login.role}", f"policy {policy}"), ())
    for rule in login.rules:
        own = rule.path.partition("/")[0]
        if rule.capabilities and (own in table().itself or own in ("*", "+")):
            for who in login.who:
                verbs = ", ".join(sorted(rule.capabilities))
                through = (f"Vault role {login.role}", f"policy {rule.policy}")
                yield Access(graph.root.urn, who, f"govern Vault: {verbs}", (rule.path,), through, ())


def _of_thing(login: _Login, thing: Resource) -> Iterator[tuple[str, tuple[str, ...], str]]:
    row = table().things[thing.kind]
    place = {"mount": word(thing.at(row.mount)).strip("/"), "name": word(thing.at(row.name)) or thing.name}
    for verb, request in row.requests.items():
        for form in filter(None, (request.path, request.also)):
            rule = _deciding(login.rules, form.format(**place))
            if rule and rule.capabilities & set(request.needs):
                yield verb, (), rule.policy
                break


def _deciding(rules: tuple[_Rule, ...], path: str) -> _Rule | None:
    return next((rule for rule in rules if _takes(rule.path, path)), None)


def _takes(pattern: str, path: str) -> bool:
    """Return whether a path of a policy is about a request: ``+`` is one part, a star at the end is any rest."""
    open_end = pattern.endswith("*")
    wanted, given = pattern.removesuffix("*").split("/"), path.split("/")
    if len(given) < len(wanted) or (len(given) > len(wanted) and not open_end):
        return False
    *head, last = wanted
    tail = "/".join(given[len(head) :])
    ends = tail.startswith(last) if open_end else last in ("+", tail)
    return ends and all(part in ("+", own) for part, own in zip(head, given, strict=False))


def _of_mount(login: _Login, mount: Resource) -> Iterator[tuple[str, tuple[str, ...], str]]:
    place = word(mount.at("path")).strip("/")
    for rule in login.rules:
        pattern = rule.path.replace("+", "*")
        if not meet(pattern, f"{place}/*"):
            continue
        part = rule.path.removeprefix(f"{place}/")
        for verb, needs in table().kv.items():
            if rule.capabilities & set(needs):
                yield verb, () if part in ("*", "data/*", rule.path) else (part,), rule.policy
