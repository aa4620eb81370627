"""Store of watched objects, and whether it is complete and current."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from local.netpol.model import Json, Namespace, Pod, Policy, Snapshot, parse_namespace, parse_pod
from local.netpol.parse import parse_policy

T = TypeVar("T")


class Kind(Enum):
    """Watched kind of object, with the path of its list."""

    PODS = "/api/v1/pods"
    NAMESPACES = "/api/v1/namespaces"
    POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"


@dataclass
class _Table(Generic[T]):
    """Objects of one kind by uid; an unreadable one is kept separately and does not affect the others."""

    parse: Callable[[Json], T]
    objects: dict[str, T] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def replace(self, sources: Iterable[Json]) -> None:
        self.objects, self.unreadable = {}, {}
        for source in sources:
            self.put(source)

    def put(self, source: Json) -> bool:
        """Store an object; return whether a relevant field has changed."""
        uid = source["metadata"]["uid"]
        try:
            new = self.parse(source)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            meta = source["metadata"]
            name = "/".join(filter(None, (meta.get("namespace"), meta.get("name"))))
            self.objects.pop(uid, None)
            self.unreadable[uid] = f"{name} cannot be read: {type(error).__name__} {error}"
            return True
        changed = uid in self.unreadable or self.objects.get(uid) != new
        self.unreadable.pop(uid, None)
        self.objects[uid] = new
        return changed

    def remove(self, uid: str) -> None:
        self.objects.pop(uid, None)
        self.unreadable.pop(uid, None)


class Store:
    """Store of the objects of all watches.

    A watch that lost its connection makes the whole store stale: new pods would otherwise be
    evaluated without the policies that were created with them.
    """

    def __init__(self) -> None:
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._current: set[Kind] = set()
        self._pods = _Table[Pod](parse_pod)
        self._namespaces = _Table[Namespace](parse_namespace)
        self._policies = _Table[Policy](parse_policy)
        self._tables: dict[Kind, _Table[Any]] = {
            Kind.PODS: self._pods,
            Kind.NAMESPACES: self._namespaces,
            Kind.POLICIES: self._policies,
        }

    def replace(self, kind: Kind, objects: Iterable[Json]) -> None:
        """Replace all objects of a kind by a complete list, after which the kind is current."""
        with self._lock:
            self._tables[kind].replace(objects)
            self._current.add(kind)
        self.changed.set()

    def put(self, kind: Kind, source: Json) -> None:
        """Store a new or changed object."""
        with self._lock:
            changed = self._tables[kind].put(source)
        if changed:
            self.changed.set()

    def remove(self, kind: Kind, source: Json) -> None:
        """Remove one object."""
        with self._lock:
            self._tables[kind].remove(source["metadata"]["uid"])
        self.changed.set()

    def lost(self, kind: Kind) -> None:
        """Mark a kind as stale, because changes may have been missed."""
        with self._lock:
            self._current.discard(kind)

    def current(self) -> bool:
        """Return whether all kinds are complete and being watched."""
        with self._lock:
            return self._current == set(Kind)

    def snapshot(self) -> Snapshot | None:
        """Return the current state of the cluster, or None while it may be incomplete."""
        with self._lock:
            if self._current != set(Kind):
                return None
            return Snapshot(
                pods=tuple(self._pods.objects.values()),
                namespaces=tuple(self._namespaces.objects.values()),
                policies=tuple(self._policies.objects.values()),
                unreadable=tuple(text for table in self._tables.values() for text in table.unreadable.values()),
            )
