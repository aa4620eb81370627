"""Load balancers: which Services and networks are reachable from where."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_pack.facts.exposure.cluster_services import scheme
from policy_pack.facts.exposure.security_groups import admitted_networks, ingress_rules, reach_of_network
from policy_pack.facts.exposure.table import Reach
from policy_pack.stack.graph import Graph
from tests.policy.builders import STACK, build

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
GROUP, LIST = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/managedPrefixList:ManagedPrefixList"


@pytest.mark.parametrize(
    ("annotations", "load_balancer_class", "reach"),
    [
        ({}, "", Reach.INTERNET),
        ({"internal": "true"}, "", Reach.VPC),
        ({"internal": "True"}, "", Reach.INTERNET),
        ({"internal": "false"}, "", Reach.INTERNET),
        ({"scheme": "internal"}, "", Reach.INTERNET),
        ({"scheme": "internal", "type": "external"}, "", Reach.VPC),
        ({"scheme": "internal"}, "service.k8s.aws/nlb", Reach.VPC),
        ({"scheme": "internet-facing", "internal": "true"}, "", Reach.INTERNET),
        ({"internal": "true"}, "example.com/other", Reach.INTERNET),
    ],
)
def test_a_load_balancer_is_internal_by_the_annotation_that_its_controller_reads(
    annotations: dict[str, str], load_balancer_class: str, reach: Reach
) -> None:
    written = {f"{PREFIX}{name}": value for name, value in annotations.items()}
    assert scheme(written, load_balancer_class)[0] is reach


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_network_with_a_public_address_is_reachable_from_the_internet(address: object, prefix: int) -> None:
    network = ip_network(f"{address}/{prefix}", strict=False)
    public = not (network[0].is_private and network[-1].is_private)
    if public or prefix < 8:
        assert reach_of_network(str(network)) is Reach.INTERNET


@pytest.mark.parametrize("text", ["10.0.0.0/8", "172.16.0.0/12", "fd00::/32", "10.40.1.2/32"])
def test_a_named_private_network_is_linked_with_the_vpc(text: str) -> None:
    assert reach_of_network(text) is Reach.VPC
    assert ip_address(text.partition("/")[0]).is_private


def reaches(*entries: str) -> list[Reach]:
    listed = build(LIST, "list", {"id": "pl-1", "entries": [{"cidr": entry} for entry in entries]})
    rule = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "prefixListIds": ["pl-1"]}
    group = build(GROUP, "group", {"ingress": [rule]})
    graph = Graph([listed, group], STACK)
    return [entry.reach for found in ingress_rules(group) for entry in admitted_networks(found, graph)]


def test_a_prefix_list_is_as_wide_as_its_widest_entry() -> None:
    assert reaches("10.0.0.0/16") == [Reach.VPC]
    assert reaches("10.0.0.0/16", "8.8.8.0/24") == [Reach.INTERNET]


@pytest.mark.parametrize(
    ("protocol", "first", "last", "port", "admitted"),
    [
        ("tcp", 443, 443, 22, False),
        ("tcp", 20, 443, 22, True),
        ("-1", 0, 0, 22, True),
        ("tcp", -1, -1, 22, True),
        ("6", 22, 22, 22, True),
        ("all", None, None, 3389, True),
    ],
)
def test_ports_of_a_rule(protocol: str, first: int | None, last: int | None, port: int, *, admitted: bool) -> None:
    rule = {"protocol": protocol, "fromPort": first, "toPort": last, "cidrBlocks": ["10.0.0.0/16"]}
    [found] = ingress_rules(build(GROUP, "group", {"ingress": [rule]}))
    assert found.admits(port) is admitted
