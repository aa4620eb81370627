"""Lists and watches, the store, and the record of addresses."""

import json
import threading
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from local.netpol.addresses import Leases, parse_lease, settle
from local.netpol.model import Pod, Snapshot
from local.netpol.store import Kind, Store
from local.netpol.watch import WatchError, follow

Json = dict[str, Any]


def pod(name: str, version: int = 1, **labels: str) -> Json:
    meta = {"uid": name, "namespace": "n", "name": name, "labels": labels, "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {}, "status": {"podIP": "10.245.0.2"}}


class Script:
    """An API server that plays its part and then ends the test.

    Parameters
    ----------
    acts
        In turn: a list of pods for a list, a list of events for a watch, or an error for either.
    """

    def __init__(self, stop: threading.Event, *acts: list[Json] | Exception) -> None:
        self.stop = stop
        self.acts = list(acts)
        self.asked: list[Mapping[str, Any]] = []

    def _next(self, parameters: Mapping[str, Any]) -> list[Json]:
        self.asked.append(parameters)
        if not self.acts:
            self.stop.set()
            return []
        act = self.acts.pop(0)
        if isinstance(act, Exception):
            raise act
        return act

    def get(self, path: str, parameters: Mapping[str, Any]) -> Json:
        assert path == "/api/v1/pods"
        return {"items": self._next(parameters), "metadata": {"resourceVersion": "10"}}

    def stream(self, path: str, parameters: Mapping[str, Any]) -> Iterator[Json]:
        yield from self._next(parameters)


def play(*acts: list[Json] | Exception) -> tuple[Store, Script, list[str]]:
    store, stop, said = Store(), threading.Event(), list[str]()
    for kind in (Kind.NAMESPACES, Kind.POLICIES):
        store.replace(kind, [])
    script = Script(stop, *acts)
    follow(script, Kind.PODS, store, stop, said.append)
    return store, script, said


def names(store: Store) -> list[str]:
    snapshot = store.snapshot()
    assert snapshot is not None
    return sorted(pod.name for pod in snapshot.pods)


def test_events_change_the_list() -> None:
    events = [
        {"type": "ADDED", "object": pod("b", 11)},
        {"type": "DELETED", "object": pod("a", 12)},
        {"type": "MODIFIED", "object": pod("b", 13, app="x")},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}},
    ]
    store, script, said = play([pod("a")], events)
    assert names(store) == ["b"]
    assert said == []
    # The next watch goes on where the last one ended.
    assert [asked.get("resourceVersion") for asked in script.asked] == [None, "10", "20"]


@pytest.mark.parametrize(
    "broken",
    [
        [{"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}],
        [{"type": "ERROR", "object": {"code": 500, "message": "etcd is gone"}}],
        ConnectionResetError("reset"),
        WatchError("the API server answered 410"),
    ],
)
def test_a_broken_watch_lists_again(broken: list[Json] | Exception) -> None:
    store, script, said = play([pod("a")], broken, [pod("b")])
    assert names(store) == ["b"]
    assert len(said) == 1
    assert "resourceVersion" not in script.asked[2]


def test_an_object_that_cannot_be_read_leaves_the_others_as_they_are() -> None:
    broken = {**pod("broken"), "status": {"podIP": "10.245.0.999"}}
    store, _, said = play([pod("a"), broken], [{"type": "MODIFIED", "object": pod("b")}])
    snapshot = store.snapshot()
    assert snapshot is not None
    assert names(store) == ["a", "b"]
    assert said == []
    assert [text.partition(":")[0] for text in snapshot.unreadable] == ["n/broken cannot be read"]
    store.put(Kind.PODS, pod("broken"))
    healed = store.snapshot()
    assert healed is not None
    assert (names(store), healed.unreadable) == (["a", "b", "broken"], ())


def test_nothing_is_told_before_everything_is_listed() -> None:
    store = Store()
    for kind in Kind:
        assert store.snapshot() is None
        store.replace(kind, [])
    assert store.snapshot() == Snapshot()


def test_nothing_is_told_while_a_watch_is_broken() -> None:
    store, _, _ = play([pod("a")])
    store.lost(Kind.POLICIES)
    assert store.snapshot() is None
    assert not store.current()
    store.replace(Kind.POLICIES, [])
    assert names(store) == ["a"]


def test_changes_that_do_not_matter_wake_nobody() -> None:
    store, _, _ = play([pod("a")])
    store.changed.clear()
    store.put(Kind.PODS, pod("a", 99))
    assert not store.changed.is_set()
    store.put(Kind.PODS, pod("a", 100, app="x"))
    assert store.changed.is_set()


def lease(uid: str, address: str) -> str:
    arguments = [["K8S_POD_NAMESPACE", "n"], ["K8S_POD_NAME", uid], ["K8S_POD_UID", uid]]
    return json.dumps({"cniArgs": arguments, "result": {"ips": [{"address": f"{address}/32"}]}})


def test_a_lease_names_its_pod() -> None:
    found = parse_lease(lease("a", "10.245.0.2"), 1)
    assert found is not None
    assert (found.address, found.uid) == (IPv4Address("10.245.0.2"), "a")
    assert parse_lease(lease("a", "127.0.0.1"), 1) is None
    assert parse_lease(lease("a", "fd00::1"), 1) is None
    assert parse_lease(json.dumps({"result": {"ips": [{"address": "10.245.0.2/32"}]}}), 1) is None


def test_leases_follow_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    leases = Leases(folder)
    assert not leases.refresh()
    folder.mkdir()
    (folder / "one").write_text(lease("a", "10.245.0.2"))
    assert leases.refresh()
    assert leases.current() == {IPv4Address("10.245.0.2"): "a"}
    assert not leases.refresh()
    (folder / "one").unlink()
    assert leases.refresh()
    assert leases.current() == {}


def test_a_lease_that_is_still_being_written_is_read_again(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    whole = lease("a", "10.245.0.2")
    (tmp_path / "one").write_text(whole[:20])
    assert not leases.refresh()
    (tmp_path / "one").write_text(whole)
    assert leases.refresh()
    assert leases.current() == {IPv4Address("10.245.0.2"): "a"}


def test_leases_know_a_pods_address_first_and_to_whom_an_address_went() -> None:
    address = IPv4Address("10.245.0.2")
    new, old = Pod("new", "n", "new"), Pod("old", "n", "old", address=address)
    settled = {pod.name: pod.address for pod in settle(Snapshot((new, old)), {address: "new"}).pods}
    assert settled == {"new": address, "old": None}
    assert settle(Snapshot((old,)), {}).pods == (old,)
