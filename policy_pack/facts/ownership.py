"""Ownership: the hospital, zone and data class of each resource, by its own tags or those of what it belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from policy_pack.facts.iam.trust import service_account
from policy_pack.facts.zone_table import SHARED
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, KEY, KEY_KEYS, NAMESPACE, ROLE, ROLE_KEYS
from policy_pack.stack.text import known_text, known_texts
from policy_pack.stack.values import NotKnownError

# Properties by which a resource belongs to another one, and the keys of that other one.
_REFERENCES = (
    ("bucket", (BUCKET,), BUCKET_KEYS),
    ("role", (ROLE,), ROLE_KEYS),
    ("roleArn", (ROLE,), ROLE_KEYS),
    ("targetKeyId", (KEY,), KEY_KEYS),
    ("keyId", (KEY,), KEY_KEYS),
)
_VAULT_PATHS = ("path", "backend", "roleName", "name", "mount")
_LOCATIONS = {"aws": "AWS account", "kubernetes": "whole cluster", "vault": "Vault", "pulumi": "Pulumi"}


@dataclass(frozen=True)
class Ownership:
    """The owner of a resource.

    Parameters
    ----------
    hospital, zone, data_class, owner
        By tags and labels; empty where there is none.
    phi
        ``true`` or ``false``, or empty where there is no tag.
    backup
        The backup plan that a tag selects.
    """

    hospital: str = ""
    zone: str = ""
    data_class: str = ""
    owner: str = ""
    phi: str = ""
    backup: str = ""

    def or_else(self, other: "Ownership") -> "Ownership":
        """Return this ownership, with its empty fields from another one."""
        return Ownership(*(getattr(self, field.name) or getattr(other, field.name) for field in fields(self)))

    def inherited(self) -> "Ownership":
        """Return what a dependent resource inherits: everything but the backup, which is of the resource itself."""
        return Ownership(self.hospital, self.zone, self.data_class, self.owner, self.phi)


class OwnershipIndex:
    """The ownership of every resource of a graph, computed once for each."""

    def __init__(self, graph: Graph, settings: Settings) -> None:
        self._graph = graph
        self._prefix = settings.prefix
        self._namespaces = {known_text(resource.at("metadata.name")): resource for resource in graph.of(NAMESPACE)}
        labelled = {self._labelled(resource).hospital for resource in self._namespaces.values()}
        self.hospitals = sorted(labelled - {"", SHARED})
        # The name of one hospital may begin with that of another.
        self._longest_first = sorted(self.hospitals, key=len, reverse=True)
        self._cache: dict[str, Ownership] = {}

    def of(self, resource: Resource) -> Ownership:
        """Return the ownership of a resource."""
        if resource.urn not in self._cache:
            self._cache[resource.urn] = self._labelled(resource)  # ends a cycle of references
            ownership = self._labelled(resource).or_else(Ownership(hospital=self._hospital_of_path(resource)))
            for owner in self._owners(resource):
                ownership = ownership.or_else(self.of(owner).inherited())
            self._cache[resource.urn] = ownership
        return self._cache[resource.urn]

    def location(self, resource: Resource) -> str:
        """Return the zone of a resource; without one, the platform that it is in."""
        return self.of(resource).zone or _LOCATIONS.get(resource.package, "component")

    def hospital(self, namespace: str) -> str:
        """Return the hospital of a namespace; empty where it has none."""
        resource = self._namespaces.get(namespace)
        return self.of(resource).hospital if resource else ""

    def _labelled(self, resource: Resource) -> Ownership:
        labels = resource.at("metadata.labels" if resource.package == "kubernetes" else "tags")

        def label(name: str) -> str:
            return known_text(labels.key(f"{self._prefix}/{name}"))

        hospital = label("hospital")
        if resource.type == f"{self._prefix}:workloads:Hospital":
            hospital = resource.name
        return Ownership(hospital, label("zone"), label("data-class"), label("owner"), label("phi"), label("backup"))

    def _owners(self, resource: Resource) -> Iterator[Resource]:
        """Return the resources that a resource belongs to: namespace, role, bucket, key, parent."""
        namespace = self._namespaces.get(known_text(resource.at("metadata.namespace")))
        if namespace and namespace is not resource:
            yield namespace
        if resource.kind == ROLE:
            yield from self._role_namespace(resource)
        for path, kinds, keys in _REFERENCES:
            target = self._graph.target(resource, path, kinds, keys) if path in resource.props else None
            if target and target is not resource:
                yield target
        for name in known_texts(resource.at("boundServiceAccountNamespaces")):
            if name in self._namespaces:
                yield self._namespaces[name]
        parent = self._graph.get(resource.parent)
        if parent:
            yield parent

    def _role_namespace(self, role: Resource) -> Iterator[Resource]:
        """Return the namespace of the ServiceAccount that assumes a role."""
        try:
            account = service_account(role.at("assumeRolePolicy"))
        except (NotKnownError, ValueError):
            return
        if account and account[0] in self._namespaces:
            yield self._namespaces[account[0]]

    def _hospital_of_path(self, resource: Resource) -> str:
        """Return the hospital whose name begins the Vault path of a resource."""
        if resource.package != "vault":
            return ""
        paths = [known_text(resource.at(name)) for name in _VAULT_PATHS]
        for hospital in self._longest_first:
            if any(path == hospital or path.startswith((f"{hospital}/", f"{hospital}-")) for path in paths):
                return hospital
        return ""
