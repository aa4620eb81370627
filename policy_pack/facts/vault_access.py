"""Access to keys, secrets and database credentials in Vault, by the policies of auth roles."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack.facts.access import Access, merge_access
from policy_pack.facts.iam.wildcards import overlap
from policy_pack.facts.principals import Principal
from policy_pack.facts.vault_policies import policy_paths
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import VAULT_JWT_ROLE, VAULT_KUBERNETES_ROLE, VAULT_POLICY
from policy_pack.stack.text import known_text, known_texts
from policy_pack.stack.values import NotKnownError

TABLE = Path(__file__).with_name("vault.yaml")
MOUNT = "vault:index/mount:Mount"
_STRICT = ConfigDict(extra="forbid")


@validated(frozen=True, config=_STRICT)
class Request:
    """A request to Vault: its path, a longer form of the path, and the capabilities of which one is required."""

    path: str
    capabilities: tuple[str, ...]
    long_path: str = ""


@validated(frozen=True, config=_STRICT)
class VaultKind:
    """A kind of resource in Vault, with the properties that hold its mount and its name."""

    mount: str
    name: str
    title: str
    requests: Mapping[str, Request]


@validated(frozen=True, config=_STRICT)
class _Table:
    resources: Mapping[str, VaultKind]
    kv: Mapping[str, tuple[str, ...]]
    system_paths: tuple[str, ...]


@dataclass(frozen=True)
class _PathRule:
    path: str
    capabilities: frozenset[str]
    policy: str


@dataclass(frozen=True)
class _AuthRole:
    name: str
    principals: tuple[Principal, ...]
    rules: tuple[_PathRule, ...]

    def rule_for(self, path: str) -> _PathRule | None:
        """Return the rule that decides about a request."""
        return next((rule for rule in self.rules if _path_matches(rule.path, path)), None)


Grant = tuple[str, tuple[str, ...], str]
"""A verb, the parts of the mount (none means all of it), and the policy."""


@cache
def table() -> _Table:
    """Return the requests for each kind of resource in Vault."""
    return TypeAdapter(_Table).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def vault_resources(graph: Graph) -> list[Resource]:
    """Return the resources in Vault that hold data: keys, database roles, PKI roles, and KV mounts."""
    mounts = [mount for mount in graph.of(MOUNT) if known_text(mount.at("type")) == "kv"]
    return [*graph.of(*table().resources), *mounts]


def access(graph: Graph) -> list[Access]:
    """Return all access to resources in Vault, by resource, principal and verb."""
    by_segment = _by_first_segment(graph)
    return merge_access(one for role in _auth_roles(graph) for one in _of_role(role, by_segment, graph))


def unparsed_policies(graph: Graph) -> list[str]:
    """Return the policies whose text is not in the state, or cannot be parsed."""
    return sorted(policy.name for policy in graph.of(VAULT_POLICY) if _rules(policy) is None)


def _by_first_segment(graph: Graph) -> Mapping[str, list[Resource]]:
    """Return resources by the first segment of their mount, so that not every resource is compared with every role."""
    by_segment: dict[str, list[Resource]] = defaultdict(list)
    for resource in vault_resources(graph):
        row = table().resources.get(resource.kind)
        by_segment[known_text(resource.at(row.mount if row else "path")).partition("/")[0]].append(resource)
    return by_segment


def _auth_roles(graph: Graph) -> Iterator[_AuthRole]:
    by_name: dict[str, list[_PathRule]] = {}
    for policy in graph.of(VAULT_POLICY):
        by_name[known_text(policy.at("name")) or policy.name] = _rules(policy) or []
    for role in sorted(graph.of(VAULT_KUBERNETES_ROLE, VAULT_JWT_ROLE), key=lambda role: role.urn):
        rules = tuple(rule for name in known_texts(role.at("tokenPolicies")) for rule in by_name.get(name, ()))
        name = known_text(role.at("roleName")) or role.name
        yield _AuthRole(name, tuple(_principals(role, name)), _merged(rules))


def _principals(role: Resource, name: str) -> Iterator[Principal]:
    if role.kind != VAULT_KUBERNETES_ROLE:
        yield Principal("people", f"with a Vault login by role {name}")
        return
    for namespace in known_texts(role.at("boundServiceAccountNamespaces")):
        for account in known_texts(role.at("boundServiceAccountNames")):
            yield Principal("ServiceAccount", f"{namespace}/{account}")


def _rules(policy: Resource) -> list[_PathRule] | None:
    try:
        paths = policy_paths(policy.at("policy"))
        return [_PathRule(path, frozenset(capabilities), policy.name) for path, capabilities in paths]
    except (NotKnownError, ValueError, AttributeError):
        return None


def _merged(rules: tuple[_PathRule, ...]) -> tuple[_PathRule, ...]:
    """Return one rule for each path, by priority: capabilities of several policies add up, and ``deny`` removes all."""
    by_path: dict[str, list[_PathRule]] = defaultdict(list)
    for rule in rules:
        by_path[rule.path].append(rule)
    merged = []
    for path, same in by_path.items():
        capabilities = frozenset(capability for rule in same for capability in rule.capabilities)
        policies = ", ".join(sorted({rule.policy for rule in same}))
        merged.append(_PathRule(path, frozenset() if "deny" in capabilities else capabilities, policies))
    return tuple(sorted(merged, key=lambda rule: _priority(rule.path), reverse=True))


def _priority(path: str) -> tuple[float, bool, int, int, str]:
    """Return the priority of a path: Vault applies the most specific one alone."""
    wildcards = [position for sign in "+*" if (position := path.find(sign)) >= 0]
    return (min(wildcards, default=float("inf")), not path.endswith("*"), -path.count("+"), len(path), path)


def _of_role(role: _AuthRole, by_segment: Mapping[str, list[Resource]], graph: Graph) -> Iterator[Access]:
    if not role.rules:
        return
    segments = {rule.path.partition("/")[0] for rule in role.rules}
    wildcard = any(sign in segment for segment in segments for sign in "+*")
    for segment in sorted(by_segment if wildcard else segments & by_segment.keys()):
        for resource in by_segment[segment]:
            for verb, parts, policy in _grants(role, resource):
                through = (f"Vault role {role.name}", f"policy {policy}")
                for principal in role.principals:
                    yield Access(resource.urn, principal, verb, parts, through, ())
    yield from _system_access(role, graph)


def _system_access(role: _AuthRole, graph: Graph) -> Iterator[Access]:
    """Return access to the paths that configure Vault itself, as access to the stack."""
    for rule in role.rules:
        segment = rule.path.partition("/")[0]
        if rule.capabilities and (segment in table().system_paths or segment in ("*", "+")):
            verb = f"configure Vault: {', '.join(sorted(rule.capabilities))}"
            through = (f"Vault role {role.name}", f"policy {rule.policy}")
            for principal in role.principals:
                yield Access(graph.root.urn, principal, verb, (rule.path,), through, ())


def _grants(role: _AuthRole, resource: Resource) -> Iterator[Grant]:
    row = table().resources.get(resource.kind)
    return _mount_grants(role, resource) if row is None else _resource_grants(role, resource, row)


def _resource_grants(role: _AuthRole, resource: Resource, row: VaultKind) -> Iterator[Grant]:
    mount = known_text(resource.at(row.mount)).strip("/")
    name = known_text(resource.at(row.name)) or resource.name
    for verb, request in row.requests.items():
        for path in filter(None, (request.path, request.long_path)):
            rule = role.rule_for(path.format(mount=mount, name=name))
            if rule and rule.capabilities & set(request.capabilities):
                yield verb, (), rule.policy
                break


def _path_matches(pattern: str, path: str) -> bool:
    """Return whether a policy path matches a request: ``+`` is one segment, ``*`` at the end is any rest."""
    is_prefix = pattern.endswith("*")
    wanted, actual = pattern.removesuffix("*").split("/"), path.split("/")
    if len(actual) < len(wanted) or (len(actual) > len(wanted) and not is_prefix):
        return False
    *head, last = wanted
    tail = "/".join(actual[len(head) :])
    tail_matches = tail.startswith(last) if is_prefix else last in ("+", tail)
    return tail_matches and all(segment in ("+", other) for segment, other in zip(head, actual, strict=False))


def _mount_grants(role: _AuthRole, mount: Resource) -> Iterator[Grant]:
    path = known_text(mount.at("path")).strip("/")
    for rule in role.rules:
        if not overlap(rule.path.replace("+", "*"), f"{path}/*"):
            continue
        part = rule.path.removeprefix(f"{path}/")
        for verb, capabilities in table().kv.items():
            if rule.capabilities & set(capabilities):
                yield verb, () if part in ("*", "data/*", rule.path) else (part,), rule.policy
