"""Logins to Vault: who gets a token with which policies, from everything that gives policies."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.principals import Principal
from policy_pack.facts.vault.acl import Acl
from policy_pack.facts.vault.policies import PathRule, everything, policy_rules
from policy_pack.facts.vault.table import LoginKind, table
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, VAULT_KUBERNETES_CONFIG, VAULT_KUBERNETES_ROLE, VAULT_POLICY
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, View

ANYBODY = "anyone who reaches Vault"
_SERVICE_ACCOUNTS = (
    "boundServiceAccountNames",
    "boundServiceAccountNamespaces",
    "boundServiceAccountNamespaceSelector",
)
_ROOT, _DEFAULT = "root", "default"


@dataclass(frozen=True)
class Login:
    """A login: who can use it, and the rules that its token has.

    Parameters
    ----------
    name
        The name for a reader, such as ``Vault role north-ingestor``.
    principals
        Who can log in.
    acl
        The rules of its policies.
    source
        URN of the resource.
    certain
        False where who can log in is not known yet.
    """

    name: str
    principals: tuple[Principal, ...]
    acl: Acl
    source: str
    certain: bool = True


class Logins:
    """All logins of a stack, and the policies that no login has."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._policies: dict[str, list[PathRule]] = defaultdict(list)
        self._urns: dict[str, str] = {}
        self._unnamed: list[str] = []
        for policy in graph.of(VAULT_POLICY):
            name = known_text(policy.at("name")) or policy.name
            self._policies[name] += policy_rules(policy.at("policy"), policy.name)
            self._urns[name] = policy.urn
            self._unnamed += [] if policy.at("name").known else [name]
        self._cluster = {known_text(cluster.at("endpoint")) for cluster in graph.of(EKS)} - {""}
        self._used: set[str] = set()
        self._not_known = False
        self.all = [login for resource in self._resources() for login in self._of(resource)]
        unused = self._policies.keys() - self._used - {_DEFAULT}
        self.all += [self._unused(name) for name in sorted({*unused, *self._unnamed})]

    def _resources(self) -> list[Resource]:
        known = [*self._graph.of(*table().logins, *table().any_path)]
        others = [
            resource
            for resource in self._graph.of_package("vault")
            if resource.kind not in table().logins and any(name in resource.props for name in table().policy_properties)
        ]
        return sorted([*known, *others], key=lambda resource: resource.urn)

    def _of(self, resource: Resource) -> Iterator[Login]:
        kind = table().logins.get(resource.kind)
        if kind is None:
            # A kind that the table does not describe: anyone may have it.
            kind = LoginKind(tuple(table().policy_properties), "name", principal=f"{resource.kind} {resource.name}")
        name = known_text(resource.at(kind.name)) or resource.name
        rules = [everything(resource.name)] if resource.kind in table().any_path else list(self._rules(resource, kind))
        principals = tuple(self._principals(resource, kind, name))
        fields = (*kind.bounds, *_SERVICE_ACCOUNTS) if resource.kind == VAULT_KUBERNETES_ROLE else kind.bounds
        certain = all(_is_known(resource.at(field)) for field in fields)
        yield Login(f"Vault role {name}", principals, Acl(rules), resource.urn, certain)

    def _rules(self, resource: Resource, kind: LoginKind) -> Iterator[PathRule]:
        views = [item for field in kind.policies for item in resource.at(field).items()]
        for view in views:
            yield from self._rules_of(resource, view)
        for field in kind.globs:
            if not resource.at(field).known or resource.at(field).items():
                yield everything(f"any policy by {field}")
        if resource.at("tokenNoDefaultPolicy").raw is not True:
            self._used.add(_DEFAULT)
            yield from self._policies.get(_DEFAULT, ())

    def _rules_of(self, resource: Resource, view: View) -> Iterator[PathRule]:
        name = view.raw
        if name is UNKNOWN:
            target = self._graph.target(resource, view.path.partition("[")[0], (VAULT_POLICY,), ("name", "id"))
            if target is None:
                self._not_known = True
                yield everything("a policy that is not known yet", certain=False)
                return
            name = known_text(target.at("name")) or target.name
        if name in self._policies:
            self._used.add(str(name))
            yield from self._policies[str(name)]
        elif name != _DEFAULT:
            yield everything(_ROOT if name == _ROOT else f"{name}, which the stack does not declare")

    def _unused(self, name: str) -> Login:
        """Return the holder of a policy that no login of the stack has: a token made elsewhere can."""
        principal = Principal("a token with Vault policy", name)
        # A login whose policies are not known yet may have it.
        certain = not self._not_known and name not in self._unnamed
        return Login(f"Vault policy {name}", (principal,), Acl(self._policies[name]), self._urns[name], certain)

    # --- who can log in --------------------------------------------------------------------------
    def _principals(self, resource: Resource, kind: LoginKind, name: str) -> Iterator[Principal]:
        if resource.kind == VAULT_KUBERNETES_ROLE:
            yield from self._service_accounts(resource)
        elif kind.bounds and not _is_bound(resource, kind):
            yield Principal(ANYBODY, f"by {kind.principal} {name}")
        elif kind.principal == "people with a Vault login":
            yield Principal("people", f"with a Vault login by role {name}")
        else:
            yield Principal(kind.principal, name)

    def _service_accounts(self, role: Resource) -> Iterator[Principal]:
        names, namespaces = (
            [_or_any(item) for item in role.at(field).items() or [View("*")]] for field in _SERVICE_ACCOUNTS[:2]
        )
        selector = role.at("boundServiceAccountNamespaceSelector")
        if not selector.known or selector.text():
            namespaces.append("*")
        host = self._foreign_host(role)
        for namespace in namespaces:
            for name in names:
                account = f"{namespace}/{name}"
                yield Principal(f"ServiceAccount of cluster {host}" if host else "ServiceAccount", account)

    def _foreign_host(self, role: Resource) -> str:
        """Return the API server that a role's auth method trusts, where that is not the stack's own cluster."""
        configs = self._graph.of(VAULT_KUBERNETES_CONFIG)
        backend = (known_text(role.at("backend")) or "kubernetes").strip("/")
        own = [one for one in configs if (known_text(one.at("backend")) or "kubernetes").strip("/") == backend]
        if configs and not own and role.at("backend").known:
            return f"of auth/{backend}, which the stack does not configure"
        hosts = {known_text(config.at("kubernetesHost")) for config in own} - {"", *self._cluster}
        return min(hosts) if hosts and self._cluster else ""


def _is_known(view: View) -> bool:
    return view.known and all(item.known for item in view.items())


def _or_any(item: View) -> str:
    return item.raw if isinstance(item.raw, str) and item.raw else "*"


def _is_bound(resource: Resource, kind: LoginKind) -> bool:
    """Return whether a property limits who can log in; a value that is not known yet does not."""
    for field in kind.bounds:
        value = resource.at(field).raw
        if value is None and kind.default:
            return True
        if value is UNKNOWN or not value:
            continue
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        if value is True or not any(str(text).strip() == "*" for text in texts):
            return True
    return False
