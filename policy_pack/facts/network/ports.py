"""Port ranges of NetworkPolicies and of containers."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from policy_pack.stack.values import View

_MAX_PORT = 65535
# Protocol and number of container ports by name.
NamedPorts = Mapping[str, frozenset[tuple[str, int]]]


class PortRange(NamedTuple):
    """A protocol with the first and the last port, both inclusive."""

    protocol: str
    first: int
    last: int

    @property
    def single(self) -> bool:
        """Whether it is one port."""
        return self.first == self.last

    @property
    def label(self) -> str:
        """The ports for a message, such as ``8080``, ``53/UDP`` or ``any port``."""
        every = (self.first, self.last) == (0, _MAX_PORT)
        number = "any port" if every else str(self.first) if self.single else f"{self.first}-{self.last}"
        return number if self.protocol == "TCP" else f"{number}/{self.protocol}"


ALL_PORTS = tuple(PortRange(protocol, 0, _MAX_PORT) for protocol in ("TCP", "UDP", "SCTP"))


def all_ports(protocol: str) -> PortRange:
    """Return every port of a protocol."""
    return PortRange(protocol, 0, _MAX_PORT)


def intersection(one: Iterable[PortRange], other: Iterable[PortRange]) -> set[PortRange]:
    """Return the ports that two sets of ranges have in common."""
    other = tuple(other)
    return {
        PortRange(protocol, max(first, low), min(last, high))
        for protocol, first, last in one
        for other_protocol, low, high in other
        if protocol == other_protocol and max(first, low) <= min(last, high)
    }


def named_ports(containers: Iterable[View]) -> NamedPorts:
    """Return the container ports that have a name; containers may give one name to several."""
    found: dict[str, set[tuple[str, int]]] = {}
    for port in (port for container in containers for port in container.at("ports").items()):
        if not port.at("name").absent:
            number = (port.at("protocol").text() or "TCP", int(port.at("containerPort").value))
            found.setdefault(port.at("name").text(), set()).add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}
