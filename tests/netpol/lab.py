"""A node with pods, made of network namespaces; the machine's own network and rules stay out of it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from local.netpol.compile import Network, compile_ruleset
from local.netpol.enforce import Enforcer
from local.netpol.model import Snapshot, parse_namespace, parse_pod
from local.netpol.parse import parse_policy
from tests.netpol.generate import PORTS
from tests.netpol.members import AGENT, Member, Probing
from tests.netpol.reference import Cluster

PREFIX = "hmlops-t-"
POD_CIDR = "10.246.0.0/16"
GATEWAY = "10.246.0.1"
NODE = "198.18.0.1"
OUTSIDE = "203.0.113.10"
NETWORK = Network(IPv4Network(POD_CIDR))


def _run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def clear_leftovers() -> None:
    """Remove the namespaces of runs that no longer exist."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for name in re.findall(rf"^({PREFIX}(\d+)-\S+)", listed, re.MULTILINE):
        if not Path(f"/proc/{name[1]}").exists():
            _run("ip", "netns", "delete", name[0])


class Lab(Probing):
    """The node, one neighbour outside, and pods on links as the ``ptp`` plugin makes them.

    Parameters
    ----------
    addresses
        The pods' addresses.
    ports
        The ports on which everybody answers.
    """

    def __init__(self, addresses: Sequence[str], ports: Sequence[int] = PORTS) -> None:
        self._stack = ExitStack()
        self._prefix = f"{PREFIX}{os.getpid()}-"
        super().__init__()
        self.addresses, self.ports = tuple(addresses), tuple(ports)
        self.node_netns = f"{self._prefix}node"
        self.nft = ("ip", "netns", "exec", self.node_netns, "nft")

    def __enter__(self) -> Self:
        clear_leftovers()
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _netns(self, name: str) -> str:
        netns = f"{self._prefix}{name}"
        _run("ip", "netns", "add", netns)
        self._stack.callback(_run, "ip", "netns", "delete", netns)
        _run("ip", "-n", netns, "link", "set", "lo", "up")
        return netns

    def _build(self) -> None:
        node = self._netns("node")
        names = {address: self._netns(f"p{n}") for n, address in enumerate(self.addresses)}
        outside = self._netns("outside")
        lines = [f"addr add {NODE}/32 dev lo"]
        links = [*((f"veth{n}", names[a], a) for n, a in enumerate(self.addresses)), ("up0", outside, OUTSIDE)]
        for link, netns, address in links:
            lines += [
                f"link add {link} type veth peer name eth0 netns {netns}",
                f"addr add {GATEWAY}/32 dev {link}",
                f"link set {link} up",
                f"route add {address}/32 dev {link}",
            ]
        _run("ip", "-n", node, "-batch", "-", text="\n".join(lines))
        for _, netns, address in links:
            inner = [f"addr add {address}/32 dev eth0", "link set eth0 up", f"route add {GATEWAY} dev eth0"]
            _run("ip", "-n", netns, "-batch", "-", text="\n".join([*inner, f"route add default via {GATEWAY}"]))
        _run("ip", "netns", "exec", node, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for netns, address in ((node, NODE), (outside, OUTSIDE), *((names[a], a) for a in self.addresses)):
            command = ["ip", "netns", "exec", netns, sys.executable, "-I", "-S", str(AGENT), *map(str, self.ports)]
            self.members[address] = Member(command)
            self._stack.callback(self.members[address].close)
        for member in self.members.values():
            member.answer()

    def enforcer(self) -> Enforcer:
        """Return an owner for the node's rules."""
        return Enforcer(self.nft)

    def script(self, rules: str) -> None:
        """Give the node more rules."""
        _run(*self.nft, "-f", "-", text=rules)

    def cluster(
        self, namespaces: list[dict[str, Any]], pods: list[dict[str, Any]], policies: list[dict[str, Any]]
    ) -> Cluster:
        """Return the reference's view of API objects on this node."""
        return Cluster(namespaces, pods, policies, POD_CIDR, frozenset({NODE, GATEWAY}))


@contextmanager
def lab_of(addresses: Sequence[str], ports: Sequence[int] = PORTS) -> Iterator[Lab]:
    """Build a node with pods, or skip the test on a machine where that cannot be."""
    if os.geteuid() or not shutil.which("nft") or not shutil.which("ip"):
        pytest.skip("network namespaces need root, nftables and iproute2")
    with Lab(addresses, ports) as lab:
        yield lab


def shut(lab: Lab) -> Enforcer:
    """Return an owner for the node's rules that has just begun, so that no pod is known."""
    enforcer = lab.enforcer()
    enforcer.clean()
    enforcer.apply(compile_ruleset(Snapshot(), NETWORK))
    return enforcer


def snapshot(cluster: Cluster) -> Snapshot:
    """Read the API objects as the controller does."""
    return Snapshot(
        tuple(map(parse_pod, cluster.pods)),
        tuple(map(parse_namespace, cluster.namespaces)),
        tuple(map(parse_policy, cluster.policies)),
    )


def enforce(enforcer: Enforcer, cluster: Cluster) -> None:
    """Compile and apply, as the controller does."""
    enforcer.apply(compile_ruleset(snapshot(cluster), NETWORK))
