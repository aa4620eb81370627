"""Requests that a login to Vault can make: for keys, database roles and PKI roles of the stack, and for other paths."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy_pack.facts.vault.acl import common_path
from policy_pack.facts.vault.logins import Login, Logins
from policy_pack.facts.vault.policies import PathRule
from policy_pack.facts.vault.table import Request, table
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import known_text

MOUNT = "vault:index/mount:Mount"


@dataclass(frozen=True)
class Granted:
    """A request for a resource that a login can make.

    Parameters
    ----------
    login, resource
        The login and the resource.
    label, request
        The name of the request, and its row of the table.
    rule
        The rule of the policy that grants it.
    """

    login: Login
    resource: Resource
    label: str
    request: Request
    rule: PathRule

    @property
    def certain(self) -> bool:
        """Whether both who can log in and the rule are known."""
        return self.login.certain and self.rule.certain


@dataclass(frozen=True)
class OtherPath:
    """A rule that allows paths for which the stack has no described resource, such as secrets and Vault itself."""

    login: Login
    rule: PathRule

    @property
    def certain(self) -> bool:
        """Whether both who can log in and the rule are known."""
        return self.login.certain and self.rule.certain


@dataclass(frozen=True)
class Requests:
    """All requests that logins can make."""

    granted: tuple[Granted, ...]
    other: tuple[OtherPath, ...]


def logins(graph: Graph) -> list[Login]:
    """Return all logins of a stack."""
    found: Logins = graph.memo("vault logins", Logins)
    return found.all


def requests(graph: Graph) -> Requests:
    """Return all requests that logins of a stack can make."""
    computed: Requests = graph.memo("vault requests", _requests)
    return computed


def resource_name(resource: Resource) -> str:
    """Return the mount and the name of a resource, such as ``north/transit/pseudonym``."""
    row = table().resources[resource.kind]
    mount = known_text(resource.at(row.mount)).strip("/")
    return f"{mount}/{known_text(resource.at(row.name)) or resource.name}"


def _requests(graph: Graph) -> Requests:
    by_segment = _by_first_segment(graph)
    granted: list[Granted] = []
    other: list[OtherPath] = []
    for login in logins(graph):
        segments = {rule.path.partition("/")[0] for rule in login.acl.rules}
        free = any("*" in segment or segment == "+" or "{{" in segment for segment in segments)
        explained: set[str] = set()
        for segment in sorted(by_segment if free else segments & by_segment.keys()):
            for resource in by_segment[segment]:
                granted += _of_resource(login, resource, explained)
        other += [OtherPath(login, rule) for rule in login.acl.rules if _is_other(rule, explained)]
    return Requests(tuple(granted), tuple(other))


def _by_first_segment(graph: Graph) -> Mapping[str, list[Resource]]:
    """Return resources by the first segment of their mount, so that not every resource is compared with every login."""
    by_segment: dict[str, list[Resource]] = defaultdict(list)
    for resource in graph.of(*table().resources):
        by_segment[resource_name(resource).partition("/")[0]].append(resource)
    return by_segment


def _of_resource(login: Login, resource: Resource, explained: set[str]) -> Iterator[Granted]:
    """Return the requests for a resource; adds to ``explained`` the rules that allow nothing else."""
    row = table().resources[resource.kind]
    mount, _, name = resource_name(resource).rpartition("/")
    for label, request in row.requests.items():
        paths = [path.format(mount=mount, name=name) for path in request.paths]
        rules = [rule for path in paths if (rule := login.acl.granting(path, request.capabilities))]
        explained |= {rule.path for rule in rules if any(_is_within(rule.path, path) for path in paths)}
        if rules:
            yield Granted(login, resource, label, request, rules[0])


def _is_within(rule: str, path: str) -> bool:
    """Return whether a rule matches nothing but a path, or paths with its rest."""
    if path.endswith("*"):
        return rule.startswith(path.removesuffix("*")) and "{{" not in rule
    return rule == path


def _is_other(rule: PathRule, explained: set[str]) -> bool:
    if rule.path in table().own_token or any(_is_within(rule.path, own) for own in table().own_token):
        return False
    return rule.path not in explained or "sudo" in rule.capabilities


def reaches_mount(rule: PathRule, mount: str) -> bool:
    """Return whether a rule matches a path below a mount."""
    return common_path(rule, f"{mount}/*") is not None
