"""Address plan of the VPC: three quarters for nodes and pods, the rest for databases, NAT gateways and a reserve."""

from dataclasses import dataclass
from ipaddress import IPv4Network

# Availability zones by suffix; each has a subnet of each kind. Every region that the policy pack allows has them.
ZONES = ("a", "b", "c")


@dataclass(frozen=True)
class SubnetPlan:
    """CIDR blocks of subnets, one of each kind an availability zone.

    Parameters
    ----------
    nodes
        Nodes and pods.
    data
        Databases and Kafka brokers.
    public
        NAT gateways.
    reserve
        Unused.
    """

    nodes: tuple[IPv4Network, ...]
    data: tuple[IPv4Network, ...]
    public: tuple[IPv4Network, ...]
    reserve: IPv4Network


def subnet_plan(vpc: IPv4Network) -> SubnetPlan:
    """Return the subnets of a VPC, which fill it without overlap."""
    *nodes, last_quarter = vpc.subnets(prefixlen_diff=2)
    *data, last_sixteenth = last_quarter.subnets(prefixlen_diff=2)
    *public, reserve = last_sixteenth.subnets(prefixlen_diff=2)
    return SubnetPlan(tuple(nodes), tuple(data), tuple(public), reserve)
