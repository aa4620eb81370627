"""Addresses of the VPC: three quarters for nodes and their pods, the rest for data, gateways and what comes later."""

from dataclasses import dataclass
from ipaddress import IPv4Network

# Every region that the policy pack allows has these; a subnet of each kind lies in each.
ZONES = ("a", "b", "c")


@dataclass(frozen=True)
class Layout:
    """Address ranges, one a zone of each kind.

    Parameters
    ----------
    nodes
        Nodes, and pods, which have addresses of their own.
    data
        Databases and brokers.
    public
        NAT gateways, where the environment has them.
    spare
        Left for what is not known yet.
    """

    nodes: tuple[IPv4Network, ...]
    data: tuple[IPv4Network, ...]
    public: tuple[IPv4Network, ...]
    spare: IPv4Network


def layout(vpc: IPv4Network) -> Layout:
    """Return how a VPC is divided; the ranges fill it and do not overlap."""
    *nodes, rest = vpc.subnets(prefixlen_diff=2)
    *data, small = rest.subnets(prefixlen_diff=2)
    *public, spare = small.subnets(prefixlen_diff=2)
    return Layout(tuple(nodes), tuple(data), tuple(public), spare)
