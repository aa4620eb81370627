"""One process in each network namespace: answers on all ports, and tries others' ports when told to.

Speaks JSON lines on its standard streams, and uses the standard library alone so that it starts at once.
"""

import contextlib
import errno
import json
import os
import selectors
import socket
import struct
import sys
import threading
import time

INIT, INIT_ACK = 1, 2
IP_PKTINFO = 8


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
        table.append(value)
    return table


CRC = _crc_table()


def crc32c(data: bytes) -> int:
    """Return the checksum of an SCTP packet."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def sctp_packet(source: int, target: int, tag: int, chunk: int) -> bytes:
    """Return an SCTP packet that opens an association (or answers one that is opened)."""
    body = struct.pack("!BBHIIHHI", chunk, 0, 20, 0x1234, 65536, 1, 1, 1)
    head = struct.pack("!HHI", source, target, tag)
    return head + struct.pack("<I", crc32c(head + bytes(4) + body)) + body


def answer_from(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Turn the note of where a packet came in into the order to answer from there."""
    return level, kind, struct.pack("i4s4s", 0, data[8:12], bytes(4))


class Tries:
    """Connections under way, each with the place of its result."""

    def __init__(self, reached: list[bool]) -> None:
        self.reached = reached
        self.poll = selectors.DefaultSelector()
        self.sockets: list[socket.socket] = []
        self.left = 0

    def __enter__(self) -> "Tries":
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.sockets:
            sock.close()
        self.poll.close()

    def begin(self, index: int, target: str, port: int, tcp: bool) -> None:
        """Begin to connect, or send a datagram."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.sockets.append(sock)
        sock.setblocking(False)
        error = sock.connect_ex((target, port))
        if error not in (0, errno.EINPROGRESS):
            return
        if not tcp:
            sock.send(b"?")

        def finish() -> bool:
            return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 if tcp else bool(sock.recv(16))

        self.poll.register(sock, selectors.EVENT_WRITE if tcp else selectors.EVENT_READ, (index, finish))
        self.left += 1

    def wait(self, timeout: float) -> None:
        """Take the results that come within a time."""
        for key, _ in self.poll.select(timeout):
            index, finish = key.data
            self.poll.unregister(key.fileobj)
            self.left -= 1
            with contextlib.suppress(OSError):
                self.reached[index] = finish()


class Agent:
    def __init__(self, ports: list[int]) -> None:
        self.selector = selectors.DefaultSelector()
        self.answered: dict[int, bool] = {}
        self.kept: list[socket.socket] = []
        self.heard: set[tuple[str, int]] = set()
        self.counter = 20000
        for port in ports:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                listener = socket.socket(socket.AF_INET, kind)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("0.0.0.0", port))
                if kind == socket.SOCK_STREAM:
                    listener.listen(256)
                else:
                    listener.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
                listener.setblocking(False)
                handler = self.accept if kind == socket.SOCK_STREAM else self.reflect
                self.selector.register(listener, selectors.EVENT_READ, handler)
        if ports:
            six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::", ports[0]))
            self.selector.register(six, selectors.EVENT_READ, self.reflect)
        self.ports = set(ports)
        # A hardened pod may not make SCTP packets by hand.
        with contextlib.suppress(PermissionError):
            self.sctp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
            self.sctp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.selector.register(self.sctp, selectors.EVENT_READ, self.associate)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)

    def accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, self.echo)

    def echo(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(4096)
            connection.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(connection)
            connection.close()

    def reflect(self, listener: socket.socket) -> None:
        # Answers from the very address that was asked, which on the node is not the one that the route would choose.
        data, asked, _, sender = listener.recvmsg(4096, 64)
        self.heard.add((sender[0], listener.getsockname()[1]))
        listener.sendmsg([data], [answer_from(*entry) for entry in asked], 0, sender)

    def associate(self, raw: socket.socket) -> None:
        packet, (sender, _) = raw.recvfrom(4096)
        sctp = packet[(packet[0] & 15) * 4 :]
        source, target, _ = struct.unpack("!HHI", sctp[:8])
        if sctp[12] == INIT and target in self.ports:
            tag = struct.unpack("!I", sctp[16:20])[0]
            raw.sendto(sctp_packet(target, source, tag, INIT_ACK), (sender, 0))
        elif sctp[12] == INIT_ACK:
            self.answered[target] = True

    def probe(self, edges: list[tuple[str, str, int]], timeout: float) -> list[bool]:
        """Try every edge at once; return for each whether an answer came."""
        reached = [False] * len(edges)
        with Tries(reached) as tries:
            associations: dict[int, int] = {}
            for index, (target, protocol, port) in enumerate(edges):
                with contextlib.suppress(OSError):
                    if protocol == "SCTP":
                        associations[self.associate_with(target, port)] = index
                    else:
                        tries.begin(index, target, port, tcp=protocol == "TCP")
            end = time.monotonic() + timeout
            while (left := end - time.monotonic()) > 0:
                if not tries.left and all(map(self.answered.get, associations)):
                    break
                tries.wait(min(left, 0.02))
        for source, index in associations.items():
            reached[index] = bool(self.answered.get(source))
        return reached

    def associate_with(self, target: str, port: int) -> int:
        """Ask for an association from a port of its own; return that port."""
        self.counter = 20000 + (self.counter - 19999) % 9000
        self.answered.pop(self.counter, None)
        self.sctp.sendto(sctp_packet(self.counter, port, 0, INIT), (target, 0))
        return self.counter

    def open(self, target: str, protocol: str, port: int) -> int:
        """Make a connection that stays; return its number."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
        sock.settimeout(3)
        sock.connect((target, port))
        self.kept.append(sock)
        return len(self.kept) - 1

    def talk(self, number: int, timeout: float) -> bool:
        """Send over a connection that stays; tell whether the echo came."""
        sock = self.kept[number]
        sock.settimeout(timeout)
        word = os.urandom(8)
        try:
            sock.sendall(word)
            while True:
                if word in sock.recv(4096):
                    return True
        except OSError:
            return False

    def push(self, text: str) -> int:
        """Send to every client from the server's side of its connection."""
        sent = 0
        for key in list(self.selector.get_map().values()):
            if key.data == self.echo and isinstance(key.fileobj, socket.socket):
                key.fileobj.sendall(text.encode())
                sent += 1
        return sent

    def hear(self, number: int, timeout: float) -> str:
        """Return what came over a connection that stays."""
        self.kept[number].settimeout(timeout)
        try:
            return self.kept[number].recv(4096).decode(errors="replace")
        except OSError:
            return ""

    def forge(self, source: str, target: str, port: int) -> bool:
        """Send a UDP packet with a source address that may be another's."""
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        udp = struct.pack("!HHHH", 30000, port, 9, 0) + b"!"
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0)
        raw.sendto(head + socket.inet_aton(source) + socket.inet_aton(target) + udp, (target, 0))
        return True

    def ports_of(self, sender: str) -> list[int]:
        """Return the ports at which UDP packets came in from an address."""
        return sorted(port for address, port in self.heard if address == sender)

    def six(self, target: str, interface: str, port: int, timeout: float) -> bool:
        """Tell whether an IPv6 neighbour answers."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            try:
                sock.sendto(b"6", (target, port, 0, socket.if_nametoindex(interface)))
                return bool(sock.recv(16))
            except OSError:
                return False


def say(answer: object) -> None:
    """Write one answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve on the ports of the command line, and do what standard input says."""
    agent = Agent([int(port) for port in sys.argv[1:]])
    say("ready")
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            say(getattr(agent, name)(*arguments))
        except Exception as error:
            say({"error": repr(error)})


if __name__ == "__main__":
    main()
