"""Packets that cross the node's interfaces of pods, and the byte streams of their TCP connections.

Packets are captured with a raw socket on each pod's interface. What a pod sends to a Service is seen with the Service's
address at the sender's interface, and with the pod's at the receiver's.
"""

import json
import select
import socket
import subprocess
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

TCP, UDP = 6, 17
MOST_BYTES = 96 << 20
"""What a capture keeps; beyond, it is not complete."""
MOST_SECONDS = 120
_ETH_P_ALL, _IPV4, _LARGEST = 3, b"\x08\x00", 1 << 17
_BUFFER, _RCVBUFFORCE, _SOL_PACKET, _STATISTICS = 16 << 20, 33, 263, 6
_SYN = 2
_TURN = 1 << 32

Address = tuple[str, int]


@dataclass(frozen=True)
class Packet:
    """A captured packet.

    Parameters
    ----------
    interface
        Where it was seen.
    protocol
        TCP, UDP, or 0 for whatever else was seen, whose payload is the whole frame.
    source, target
        Addresses and ports.
    sequence, opens
        Of TCP: the sequence number of its first byte, and whether it opens a connection.
    payload
        What it carries.
    """

    interface: str
    protocol: int
    source: Address
    target: Address
    sequence: int
    opens: bool
    payload: bytes


@dataclass(frozen=True)
class Stream:
    """What one side of a TCP connection sent, as it was seen at an interface.

    Parameters
    ----------
    interface, source, target
        Where it was seen, and between whom.
    whole
        Whether it was seen from the connection's first byte, and no byte is missing.
    data
        The bytes.
    starts
        Where segments begin in them.
    """

    interface: str
    source: Address
    target: Address
    whole: bool
    data: bytes
    starts: tuple[int, ...]


@dataclass
class Capture:
    """Captures packets of interfaces while the context is open.

    Parameters
    ----------
    interfaces
        Names of the interfaces.
    """

    interfaces: Collection[str]
    packets: list[Packet] = field(default_factory=list)
    lost: int = 0
    """Packets for which the kernel had no room, or which came after ``MOST_BYTES`` or ``MOST_SECONDS``."""

    def __enter__(self) -> "Capture":
        self._sockets = {_opened(name): name for name in sorted(set(self.interfaces))}
        self._ends, self._kept, self._stop = time.monotonic() + MOST_SECONDS, 0, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for one in self._sockets:
            statistics = one.getsockopt(_SOL_PACKET, _STATISTICS, 8)
            self.lost += int.from_bytes(statistics[4:8], "little")
            one.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._read(0.1)
        # What arrived before the end.
        self._read(0)

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select(list(self._sockets), [], [], seconds)
        for one in ready:
            try:
                while True:
                    self._take(self._sockets[one], one.recv(_LARGEST))
            except BlockingIOError:
                continue

    def _take(self, interface: str, frame: bytes) -> None:
        self._kept += len(frame)
        if self._kept > MOST_BYTES or time.monotonic() > self._ends:
            self.lost += 1
            return
        self.packets.append(parsed(interface, frame))


def interface_of(address: str) -> str:
    """Return the node's interface of a pod."""
    done = subprocess.run(["ip", "-j", "route", "get", address], check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout)[0]["dev"])


def parsed(interface: str, frame: bytes) -> Packet:
    """Return a packet from an Ethernet frame."""
    protocol = frame[23] if frame[12:14] == _IPV4 else 0
    # Of a fragment, only the first has ports: none is expected, and each counts as something else.
    if protocol not in (TCP, UDP) or int.from_bytes(frame[20:22], "big") & 0x3FFF:
        return Packet(interface, 0, ("", 0), ("", 0), 0, False, frame)
    end, there = 14 + int.from_bytes(frame[16:18], "big"), 14 + (frame[14] & 15) * 4
    ports = (int.from_bytes(frame[there : there + 2], "big"), int.from_bytes(frame[there + 2 : there + 4], "big"))
    source, target = (socket.inet_ntoa(frame[26:30]), ports[0]), (socket.inet_ntoa(frame[30:34]), ports[1])
    if protocol == UDP:
        return Packet(interface, UDP, source, target, 0, False, frame[there + 8 : end])
    sequence, opens = int.from_bytes(frame[there + 4 : there + 8], "big"), bool(frame[there + 13] & _SYN)
    data = frame[there + (frame[there + 12] >> 4) * 4 : end]
    return Packet(interface, TCP, source, target, sequence, opens, data)


def streams(packets: Iterable[Packet]) -> list[Stream]:
    """Return what the sides of TCP connections sent; those that sent nothing are left out."""
    sides: dict[tuple[str, Address, Address], list[Packet]] = {}
    for one in packets:
        if one.protocol == TCP and (one.payload or one.opens):
            sides.setdefault((one.interface, one.source, one.target), []).append(one)
    joined = (_joined(*side, found) for side, found in sides.items())
    return [one for one in joined if one.data]


def _joined(interface: str, source: Address, target: Address, packets: list[Packet]) -> Stream:
    opening = [one.sequence + 1 for one in packets if one.opens]
    first = opening[0] if opening else packets[0].sequence
    segments = sorted(((one.sequence - first) % _TURN, one.payload) for one in packets if one.payload)
    data, position, starts, whole = bytearray(), 0, [], bool(opening)
    for place, payload in segments:
        if place > _TURN // 2:
            continue  # sent again from before the first
        end = place + len(payload)
        if end <= position:
            continue  # sent again
        whole = whole and place <= position
        starts.append(len(data))
        data += payload[max(position - place, 0) :]
        position = end
    return Stream(interface, source, target, whole, bytes(data), tuple(starts))


def _opened(interface: str) -> socket.socket:
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    one.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _BUFFER)
    one.bind((interface, 0))
    one.setblocking(False)
    return one
