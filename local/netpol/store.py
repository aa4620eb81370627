"""What the watches have seen so far, and whether that is the whole truth."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from local.netpol.model import Json, Namespace, Pod, Policy, Snapshot, parse_namespace, parse_pod, parse_policy

T = TypeVar("T")


class Kind(Enum):
    """What is watched, by the path of its list."""

    PODS = "/api/v1/pods"
    NAMESPACES = "/api/v1/namespaces"
    POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"


@dataclass
class Store:
    """The objects of all watches.

    A watch that lost its connection makes the whole store stale: pods that it goes on to report would otherwise be
    judged without the policies that came with them.
    """

    changed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _current: set[Kind] = field(default_factory=set)
    _pods: dict[str, Pod] = field(default_factory=dict)
    _namespaces: dict[str, Namespace] = field(default_factory=dict)
    _policies: dict[str, Policy] = field(default_factory=dict)

    def replace(self, kind: Kind, objects: Iterable[Json]) -> None:
        """Take a full list, after which the kind is current."""
        with self._lock:
            match kind:
                case Kind.PODS:
                    self._pods = _parsed(parse_pod, objects)
                case Kind.NAMESPACES:
                    self._namespaces = _parsed(parse_namespace, objects)
                case Kind.POLICIES:
                    self._policies = _parsed(parse_policy, objects)
            self._current.add(kind)
        self.changed.set()

    def put(self, kind: Kind, source: Json) -> None:
        """Take one object that is new or has changed."""
        with self._lock:
            match kind:
                case Kind.PODS:
                    changed = _put(self._pods, parse_pod, source)
                case Kind.NAMESPACES:
                    changed = _put(self._namespaces, parse_namespace, source)
                case Kind.POLICIES:
                    changed = _put(self._policies, parse_policy, source)
        if changed:
            self.changed.set()

    def remove(self, kind: Kind, source: Json) -> None:
        """Forget one object."""
        uid = source["metadata"]["uid"]
        with self._lock:
            match kind:
                case Kind.PODS:
                    self._pods.pop(uid, None)
                case Kind.NAMESPACES:
                    self._namespaces.pop(uid, None)
                case Kind.POLICIES:
                    self._policies.pop(uid, None)
        self.changed.set()

    def lost(self, kind: Kind) -> None:
        """Note that changes of this kind may have been missed."""
        with self._lock:
            self._current.discard(kind)

    def current(self) -> bool:
        """Tell whether all kinds are complete and followed."""
        with self._lock:
            return self._current == set(Kind)

    def snapshot(self) -> Snapshot | None:
        """Return the cluster as it is now, or nothing while any part of it may be missing."""
        with self._lock:
            if self._current != set(Kind):
                return None
            return Snapshot(
                tuple(self._pods.values()), tuple(self._namespaces.values()), tuple(self._policies.values())
            )


def _parsed(parse: Callable[[Json], T], objects: Iterable[Json]) -> dict[str, T]:
    return {source["metadata"]["uid"]: parse(source) for source in objects}


def _put(known: dict[str, T], parse: Callable[[Json], T], source: Json) -> bool:
    """Keep an object; tell whether anything that matters here has changed."""
    uid, new = source["metadata"]["uid"], parse(source)
    changed = known.get(uid) != new
    known[uid] = new
    return changed
