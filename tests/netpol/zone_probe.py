"""Program of a probe pod: it listens on ports, and tries targets when the node asks for it.

``python zone_probe.py CONTROL_PORT TCP_PORTS UDP_PORTS``, ports separated by commas. Policies do not apply to
connections from the pod's own node: over one to the control port comes a line of JSON, a list of [protocol, address,
port], and a line with one word for each goes back: ``answered``, ``refused`` or ``silent``. A name is looked up first.
"""

import asyncio
import json
import socket
import sys
from typing import Any

Address = tuple[str | Any, int]
PATIENCE = 2.5
"""Seconds: the kernel sends a lost first packet again after one."""
AT_ONCE = 400
QUESTION = (
    bytes.fromhex("123401000001000000000000")
    + b"\x0akubernetes\x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01"
)
"""A question for a DNS server; a probe pod answers whatever it gets."""


async def tcp(address: str, port: int) -> str:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE)
    except ConnectionRefusedError:
        return "refused"
    except (TimeoutError, OSError):
        return "silent"
    writer.close()
    return "answered"


class Answered(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.finish("answered")

    def error_received(self, exc: Exception) -> None:
        self.finish("refused" if isinstance(exc, ConnectionRefusedError) else "silent")

    def finish(self, outcome: str) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


async def udp(address: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.create_datagram_endpoint(Answered, remote_addr=(address, port))
    except OSError:
        return "silent"
    try:
        for _ in range(2):
            transport.sendto(QUESTION)
            try:
                return await asyncio.wait_for(asyncio.shield(protocol.outcome), PATIENCE / 2)
            except TimeoutError:
                continue
        return "silent"
    finally:
        transport.close()


async def attempt(limit: asyncio.Semaphore, protocol: str, address: str, port: int) -> str:
    async with limit:
        return await (tcp if protocol == "TCP" else udp)(address, port)


async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    targets = json.loads(await reader.readline())
    limit = asyncio.Semaphore(AT_ONCE)
    outcomes = await asyncio.gather(*(attempt(limit, *target) for target in targets))
    writer.write(json.dumps(outcomes).encode() + b"\n")
    await writer.drain()
    writer.close()


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.transport.sendto(data, addr)


async def main(control_port: int, tcp_ports: list[int], udp_ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    for port in tcp_ports:
        await asyncio.start_server(hang_up, "0.0.0.0", port, backlog=512, family=socket.AF_INET)
    for port in udp_ports:
        await loop.create_datagram_endpoint(Echo, local_addr=("0.0.0.0", port))
    server = await asyncio.start_server(control, "0.0.0.0", control_port, limit=1 << 24)
    await server.serve_forever()


def numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",") if one]


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), numbers(sys.argv[2]), numbers(sys.argv[3])))
