"""Drift: differences between the state and the cluster, in the hospitals' namespaces and in bindings to their pods."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policy_pack.facts.rbac.bindings import BINDINGS
from policy_pack.facts.rbac.roles import ROLES
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import NAMESPACE, NETWORK_POLICY, SERVICE_ACCOUNT
from policy_pack.stack.pods import POD_OWNERS
from policy_pack.stack.text import display_name, known_text
from policy_pack.stack.values import UNKNOWN

OWNER_REFERENCES = "ownerReferences"
_BOOTSTRAPPING = "kubernetes.io/bootstrapping"
_CLUSTER_ROLE_BINDING = BINDINGS[1]
# In these kinds an added field grants access, so every field is compared; in others only those of the state.
_FULLY_COMPARED = (NETWORK_POLICY, *ROLES, *BINDINGS)
GRANTING_KINDS = (*_FULLY_COMPARED, NAMESPACE, SERVICE_ACCOUNT)
"""Kinds of objects that give a permission or allow a connection."""
_IGNORED_FIELDS = ("apiVersion", "kind", "metadata", "status", "id")
# Objects that Kubernetes creates in each namespace.
_CREATED_BY_KUBERNETES = {(SERVICE_ACCOUNT, "default"), ("k8s:core/ConfigMap", "kube-root-ca.crt")}
_DEFAULTS = {"protocol": "TCP", "apiGroup": "rbac.authorization.k8s.io"}


@dataclass(frozen=True, order=True)
class Drift:
    """One difference: the object, the kind of difference, and the path in the object."""

    object: str
    difference: str
    path: str


def drift(graph: Graph, cluster: Sequence[Resource], settings: Settings) -> list[Drift]:
    """Return all differences between a state and the cluster."""
    namespaces = _namespaces(graph)
    actual = {_key(resource): resource for resource in cluster}
    declared = {_key(resource): resource for resource in graph if resource.kind.startswith("k8s:")}
    kinds_read = {resource.kind for resource in cluster}
    differences: set[Drift] = set()
    for key, resource in declared.items():
        if key in actual:
            differences |= set(_changes(resource, actual[key]))
        elif resource.kind in kinds_read or resource.kind in (*_FULLY_COMPARED, NAMESPACE, SERVICE_ACCOUNT):
            differences.add(Drift(_label(resource), "missing in the cluster", ""))
    for key, resource in actual.items():
        if key not in declared and _is_relevant(resource, namespaces, settings):
            differences.add(Drift(_label(resource), "not in the state", ""))
    return sorted(differences)


def undeclared_bindings(graph: Graph, cluster: Sequence[Resource], settings: Settings) -> list[tuple[str, str]]:
    """Return kind and name of bindings outside of the hospitals' namespaces that the state does not have.

    Those that Kubernetes itself creates are left out.
    """
    namespaces = _namespaces(graph)
    declared = {_key(resource) for resource in graph if resource.kind in BINDINGS}
    return sorted(
        (resource.kind.rpartition("/")[2], display_name(resource))
        for resource in cluster
        if resource.kind in BINDINGS
        and _key(resource) not in declared
        and not _is_relevant(resource, namespaces, settings)
        and resource.at("metadata.labels").key(_BOOTSTRAPPING).absent
    )


def with_cluster(graph: Graph, cluster: Sequence[Resource], settings: Settings) -> Graph:
    """Return the stack with RBAC, NetworkPolicies, namespaces and undeclared pods as they are in the cluster."""
    namespaces = _namespaces(graph)
    declared = {_key(resource): resource for resource in graph if resource.kind.startswith("k8s:")}
    replaced = (NAMESPACE, NETWORK_POLICY, SERVICE_ACCOUNT)
    kept = [resource for resource in graph if resource.kind not in (*replaced, *ROLES, *BINDINGS)]
    actual = [
        resource
        for resource in cluster
        if resource.kind in (*ROLES, *BINDINGS)
        or (resource.kind in replaced and (_is_relevant(resource, namespaces, settings) or _key(resource) in declared))
        or (
            resource.kind in POD_OWNERS
            and _key(resource) not in declared
            and _is_relevant(resource, namespaces, settings)
        )
    ]
    # Declared resources keep their URN and name.
    named = [
        replace(declared[key], props=resource.props) if (key := _key(resource)) in declared else resource
        for resource in actual
    ]
    return Graph([*kept, *named], graph.stack)


def _namespaces(graph: Graph) -> frozenset[str]:
    return frozenset(known_text(resource.at("metadata.name")) for resource in graph.of(NAMESPACE))


def _key(resource: Resource) -> tuple[str, str, str]:
    name = known_text(resource.at("metadata.name")) or resource.name
    return resource.kind, known_text(resource.at("metadata.namespace")), name


def _label(resource: Resource) -> str:
    return f"{resource.kind.rpartition('/')[2]} {display_name(resource)}"


def _is_relevant(resource: Resource, namespaces: frozenset[str], settings: Settings) -> bool:
    """Return whether an object is a hospital's namespace, is in one, or is a ClusterRoleBinding to one of its pods."""
    metadata = resource.at("metadata")
    if resource.kind == NAMESPACE:
        return bool(known_text(metadata.at("labels").key(f"{settings.prefix}/hospital")))
    if resource.kind == _CLUSTER_ROLE_BINDING:
        subjects = resource.at("subjects").items()
        return any(known_text(subject.at("namespace")) in namespaces for subject in subjects)
    by_kubernetes = (resource.kind, known_text(metadata.at("name"))) in _CREATED_BY_KUBERNETES
    has_owner = bool(metadata.at(OWNER_REFERENCES).items())
    return known_text(metadata.at("namespace")) in namespaces and not by_kubernetes and not has_owner


def _changes(declared: Resource, actual: Resource) -> Iterator[Drift]:
    full = declared.kind in _FULLY_COMPARED
    keys = [key for key in declared.props if key not in _IGNORED_FIELDS and not key.startswith("__")]
    extra = [key for key in actual.props if key not in _IGNORED_FIELDS and key not in keys] if full else []
    for key in (*keys, *extra):
        for path in _differing_paths(declared.props.get(key), actual.props.get(key), key, full=full):
            yield Drift(_label(declared), "differs", path)
    labels = declared.at("metadata.labels").raw
    for path in _differing_paths(labels, actual.at("metadata.labels").raw, "metadata.labels", full=False):
        yield Drift(_label(declared), "differs", path)


def _differing_paths(declared: Any, actual: Any, path: str, *, full: bool) -> Iterable[str]:
    """Return the paths at which the cluster has another value than the state."""
    if declared is UNKNOWN or (_is_empty(declared) and (_is_empty(actual) or not full)):
        return []
    if isinstance(declared, Mapping) and isinstance(actual, Mapping):
        keys = [*declared, *(key for key in actual if key not in declared and full)]
        return [
            differing
            for key in keys
            for differing in _differing_paths(declared.get(key), actual.get(key), f"{path}.{key}", full=full)
        ]
    if isinstance(declared, list) and isinstance(actual, list) and len(declared) == len(actual):
        pairs = enumerate(zip(declared, actual, strict=True))
        return [
            differing
            for number, (one, other) in pairs
            for differing in _differing_paths(one, other, f"{path}[{number}]", full=full)
        ]
    # 8080 and "8080" are one value.
    return [] if str(declared) == str(actual) or _is_default(path, declared, actual) else [path]


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, [])


def _is_default(path: str, declared: Any, actual: Any) -> bool:
    """Return whether the cluster only adds a default."""
    return declared is None and _DEFAULTS.get(path.rpartition(".")[2]) == actual
