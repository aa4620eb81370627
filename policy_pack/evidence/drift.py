"""What the cluster has otherwise than the state says, in the hospitals' namespaces and in rights over them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policy_pack.evidence.cluster_reader import OWNED
from policy_pack.facts.rbac_access import BINDINGS, ROLES
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ACCOUNT, NAMESPACE, NETWORK_POLICY
from policy_pack.stack.pods import WHOLE
from policy_pack.stack.text import called, word
from policy_pack.stack.values import UNKNOWN

_BINDING = BINDINGS[1]
# Of these every field counts, as one that is added opens something; of others what the state says.
_WHOLLY = (NETWORK_POLICY, *ROLES, *BINDINGS)
_SKIPPED = ("apiVersion", "kind", "metadata", "status", "id")
# What Kubernetes itself puts into each namespace.
_OWN = {(ACCOUNT, "default"), ("k8s:core/ConfigMap", "kube-root-ca.crt")}


@dataclass(frozen=True, order=True)
class Drift:
    """One object that is not as the state says: what it is, how it differs, and where in it."""

    object: str
    how: str
    where: str


def drift(graph: Graph, cluster: Sequence[Resource], settings: Settings) -> list[Drift]:
    """Return all differences between a state and the cluster."""
    homes = _homes(graph)
    live = {_key(resource): resource for resource in cluster}
    known = {_key(resource): resource for resource in graph if resource.kind.startswith("k8s:")}
    read = {resource.kind for resource in cluster}
    found: set[Drift] = set()
    for key, resource in known.items():
        if key in live:
            found |= set(_changes(resource, live[key]))
        elif resource.kind in read or resource.kind in (*_WHOLLY, NAMESPACE, ACCOUNT):
            found.add(Drift(_title(resource), "absent in the cluster", ""))
    for key, resource in live.items():
        if key not in known and _concerns(resource, homes, settings):
            found.add(Drift(_title(resource), "unknown to the state", ""))
    return sorted(found)


def merged(graph: Graph, cluster: Sequence[Resource], settings: Settings) -> Graph:
    """Return the stack with rights, walls and namespaces as the cluster has them, and what runs there besides."""
    homes = _homes(graph)
    known = {_key(resource): resource for resource in graph if resource.kind.startswith("k8s:")}
    mine = (NAMESPACE, NETWORK_POLICY, ACCOUNT)
    kept = [resource for resource in graph if resource.kind not in (*mine, *ROLES, *BINDINGS)]
    taken = [
        resource
        for resource in cluster
        if resource.kind in (*ROLES, *BINDINGS)
        or (resource.kind in mine and (_concerns(resource, homes, settings) or _key(resource) in known))
        or (resource.kind in WHOLE and _key(resource) not in known and _concerns(resource, homes, settings))
    ]
    # What the stack declares keeps its name and its place in the program.
    named = [
        replace(known[key], props=resource.props) if (key := _key(resource)) in known else resource
        for resource in taken
    ]
    return Graph([*kept, *named], graph.stack)


def _homes(graph: Graph) -> frozenset[str]:
    return frozenset(word(home.at("metadata.name")) for home in graph.of(NAMESPACE))


def _key(resource: Resource) -> tuple[str, str, str]:
    name = word(resource.at("metadata.name")) or resource.name
    return resource.kind, word(resource.at("metadata.namespace")), name


def _title(resource: Resource) -> str:
    return f"{resource.kind.rpartition('/')[2]} {called(resource)}"


def _concerns(resource: Resource, homes: frozenset[str], settings: Settings) -> bool:
    """Return whether an object of the cluster is in a hospital's namespace, is one, or gives one of its pods rights."""
    meta = resource.at("metadata")
    if resource.kind == NAMESPACE:
        return bool(word(meta.at("labels").key(f"{settings.prefix}/hospital")))
    if resource.kind == _BINDING:
        return any(word(subject.at("namespace")) in homes for subject in resource.at("subjects").items())
    own = (resource.kind, word(meta.at("name"))) in _OWN
    return word(meta.at("namespace")) in homes and not own and not meta.at(OWNED).items()


def _changes(known: Resource, live: Resource) -> Iterator[Drift]:
    wholly = known.kind in _WHOLLY
    keys = [key for key in known.props if key not in _SKIPPED and not key.startswith("__")]
    extra = [key for key in live.props if key not in _SKIPPED and key not in keys] if wholly else []
    for key in (*keys, *extra):
        for path in _differing(known.props.get(key), live.props.get(key), key, wholly):
            yield Drift(_title(known), "differs", path)
    labels = known.at("metadata.labels").raw
    for path in _differing(labels, live.at("metadata.labels").raw, "metadata.labels", wholly=False):
        yield Drift(_title(known), "differs", path)


def _differing(known: Any, live: Any, path: str, wholly: bool) -> Iterable[str]:
    """Return the paths at which a value of the cluster is another than the state's."""
    if known is UNKNOWN or (_nothing(known) and (_nothing(live) or not wholly)):
        return []
    if isinstance(known, Mapping) and isinstance(live, Mapping):
        keys = [*known, *(key for key in live if key not in known and wholly)]
        return [place for key in keys for place in _differing(known.get(key), live.get(key), f"{path}.{key}", wholly)]
    if isinstance(known, list) and isinstance(live, list) and len(known) == len(live):
        pairs = enumerate(zip(known, live, strict=True))
        return [place for number, (a, b) in pairs for place in _differing(a, b, f"{path}[{number}]", wholly)]
    # What a person wrote and what the server made of it, such as 8080 and "8080", is one value.
    return [] if str(known) == str(live) or _default(path, known, live) else [path]


def _nothing(value: Any) -> bool:
    return value is None or value in ({}, [])


def _default(path: str, known: Any, live: Any) -> bool:
    """Return whether the cluster only fills in what it takes for granted."""
    granted = {"protocol": "TCP", "apiGroup": "rbac.authorization.k8s.io"}
    return known is None and granted.get(path.rpartition(".")[2]) == live
