"""Pod addresses from the CNI library's cache of results.

The kubelet reports a pod's address about a second after the pod's first container has started; the container runtime
records the pod's address earlier. With this record, packets of a starting pod are not dropped for that second, and the
reassignment of an address to another pod is detected immediately.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Interface
from pathlib import Path

from local.netpol.model import Json, Pod, Snapshot

POLL_SECONDS = 0.04


@dataclass(frozen=True)
class Lease:
    """Address that the CNI plugin has assigned to a pod."""

    address: IPv4Address
    uid: str
    written: int


def parse_lease(text: str, written: int) -> Lease | None:
    """Read a cached CNI result; ``None`` if it is not for a pod's IPv4 address."""
    record: Json = json.loads(text)
    arguments = dict(pair for pair in record.get("cniArgs") or () if len(pair) == 2)
    uid = arguments.get("K8S_POD_UID")
    for entry in (record.get("result") or {}).get("ips") or ():
        try:
            address = IPv4Interface(entry["address"]).ip
        except AddressValueError:
            continue
        # The runtime also caches the loopback result of each pod.
        if uid and not address.is_loopback:
            return Lease(address, uid, written)
    return None


class Leases:
    """Leases from the CNI library's cache folder, read again when the folder changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = 0
        self._known: dict[str, Lease | None] = {}
        self._lock = threading.Lock()

    def refresh(self) -> bool:
        """Read the changes; return whether there were any."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            changed = 0
        if changed == self._seen:
            return False
        before = self._known
        leases, whole = self._read() if changed else ({}, True)
        with self._lock:
            self._known = leases
        # A file that is still being written is read again, although the folder does not change.
        self._seen = changed if whole else -1
        return leases != before

    def _read(self) -> tuple[dict[str, Lease | None], bool]:
        leases: dict[str, Lease | None] = {}
        whole = True
        for path in self._folder.iterdir():
            if path.name in self._known:
                leases[path.name] = self._known[path.name]
                continue
            try:
                leases[path.name] = parse_lease(path.read_text(), path.stat().st_mtime_ns)
            except (OSError, ValueError):
                whole = False
        return leases, whole

    def current(self) -> Mapping[IPv4Address, str]:
        """Return the pod uid by address."""
        with self._lock:
            leases = [lease for lease in self._known.values() if lease]
        return {lease.address: lease.uid for lease in sorted(leases, key=lambda lease: lease.written)}

    def follow(self, stop: threading.Event, changed: Callable[[], None]) -> None:
        """Call back on each change until stopped."""
        while not stop.wait(POLL_SECONDS):
            if self.refresh():
                changed()


def settle(snapshot: Snapshot, leases: Mapping[IPv4Address, str]) -> Snapshot:
    """Set the pods' addresses from the leases, which are more recent than the API."""
    held = {uid: address for address, uid in leases.items()}
    return replace(snapshot, pods=tuple(_settled(snapshot.pods, leases, held)))


def _settled(pods: Iterable[Pod], leases: Mapping[IPv4Address, str], held: Mapping[str, IPv4Address]) -> Iterable[Pod]:
    for pod in pods:
        address = held.get(pod.uid, pod.address)
        if address is not None and leases.get(address, pod.uid) != pod.uid:
            address = None
        yield pod if address == pod.address else replace(pod, address=address)
