"""Whose a resource is: its own tags or labels, else those of what it belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from policy_pack.facts.human_roles import account_of
from policy_pack.facts.zone_table import SHARED
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, KEY, KEY_KEYS, NAMESPACE, ROLE, ROLE_KEYS
from policy_pack.stack.text import word, words
from policy_pack.stack.values import NotKnownError

# Properties by which a resource belongs to another, and the keys of that other.
_JOINS = (
    ("bucket", (BUCKET,), BUCKET_KEYS),
    ("role", (ROLE,), ROLE_KEYS),
    ("roleArn", (ROLE,), ROLE_KEYS),
    ("targetKeyId", (KEY,), KEY_KEYS),
    ("keyId", (KEY,), KEY_KEYS),
)
_VAULT_PATHS = ("path", "backend", "roleName", "name", "mount")
_WHERE = {"aws": "cloud account", "kubernetes": "whole cluster", "vault": "Vault", "pulumi": "engine"}


@dataclass(frozen=True)
class Whose:
    """Whose a resource is.

    Parameters
    ----------
    hospital, zone, data_class, owner
        As tags and labels say; empty where nothing says.
    phi
        ``true``, ``false``, or empty where nothing says.
    backup
        The backup that a tag asks for.
    """

    hospital: str = ""
    zone: str = ""
    data_class: str = ""
    owner: str = ""
    phi: str = ""
    backup: str = ""

    def over(self, other: "Whose") -> "Whose":
        """Return this, with the gaps filled from another."""
        return Whose(*(getattr(self, field.name) or getattr(other, field.name) for field in fields(self)))


class Places:
    """Whose every resource of a graph is, looked up once."""

    def __init__(self, graph: Graph, settings: Settings) -> None:
        self._graph = graph
        self._prefix = settings.prefix
        self._homes = {word(home.at("metadata.name")): home for home in graph.of(NAMESPACE)}
        self.hospitals = sorted({self._own(home).hospital for home in self._homes.values()} - {"", SHARED})
        # One hospital's name may begin like another's.
        self._longest_first = sorted(self.hospitals, key=len, reverse=True)
        self._known: dict[str, Whose] = {}

    def of(self, resource: Resource) -> Whose:
        """Return whose a resource is."""
        if resource.urn not in self._known:
            self._known[resource.urn] = self._own(resource)  # ends a circle of resources that name each other
            whose = self._own(resource).over(Whose(hospital=self._by_path(resource)))
            for other in self._belongs(resource):
                whose = whose.over(self._inherited(other))
            self._known[resource.urn] = whose
        return self._known[resource.urn]

    def where(self, resource: Resource) -> str:
        """Return the zone, else which part of the platform a resource is in."""
        return self.of(resource).zone or _WHERE.get(resource.package, "program")

    def hospital(self, namespace: str) -> str:
        """Return the hospital of a namespace; empty where it has none."""
        home = self._homes.get(namespace)
        return self.of(home).hospital if home else ""

    def _inherited(self, other: Resource) -> Whose:
        whose = self.of(other)
        # A backup is of the thing itself, never of what belongs to it.
        return Whose(whose.hospital, whose.zone, whose.data_class, whose.owner, whose.phi)

    def _own(self, resource: Resource) -> Whose:
        place = resource.at("metadata.labels" if resource.package == "kubernetes" else "tags")

        def told(name: str) -> str:
            return word(place.key(f"{self._prefix}/{name}"))

        hospital = told("hospital")
        if resource.type == f"{self._prefix}:workloads:Hospital":
            hospital = resource.name
        return Whose(hospital, told("zone"), told("data-class"), told("owner"), told("phi"), told("backup"))

    def _belongs(self, resource: Resource) -> Iterator[Resource]:
        home = self._homes.get(word(resource.at("metadata.namespace")))
        if home and home is not resource:
            yield home
        if resource.kind == ROLE:
            yield from self._account_home(resource)
        for path, kinds, keys in _JOINS:
            target = self._graph.target(resource, path, kinds, keys) if path in resource.props else None
            if target and target is not resource:
                yield target
        for namespace in words(resource.at("boundServiceAccountNamespaces")):
            if namespace in self._homes:
                yield self._homes[namespace]
        parent = self._graph.get(resource.parent)
        if parent:
            yield parent

    def _account_home(self, role: Resource) -> Iterator[Resource]:
        """Return the namespace of the ServiceAccount that takes a role."""
        try:
            account = account_of(role.at("assumeRolePolicy"))
        except (NotKnownError, ValueError):
            return
        if account and account[0] in self._homes:
            yield self._homes[account[0]]

    def _by_path(self, resource: Resource) -> str:
        """Return the hospital below whose path something of Vault lies."""
        if resource.package != "vault":
            return ""
        told = [word(resource.at(path)) for path in _VAULT_PATHS]
        for hospital in self._longest_first:
            if any(text == hospital or text.startswith((f"{hospital}/", f"{hospital}-")) for text in told):
                return hospital
        return ""
