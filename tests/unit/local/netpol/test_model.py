"""Selectors, defaults and what is read of the API's objects."""

import random
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.netpol.model import Block, Direction, NamedPort, Port, Requirement, Selector, parse_pod
from local.netpol.parse import parse_policy
from local.netpol.parse import parse_selector as parse
from tests.netpol import generate
from tests.netpol.reference import selects

keys = st.sampled_from("abc")
values = st.sampled_from("xyz")
labels = st.dictionaries(keys, values)
requirements = st.builds(
    lambda key, operator, values: (
        {"key": key, "operator": operator} | ({"values": values} if operator in ("In", "NotIn") else {})
    ),
    keys,
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.lists(values, min_size=1),
)
selectors = st.fixed_dictionaries({}, optional={"matchLabels": labels, "matchExpressions": st.lists(requirements)})
OPPOSITE = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}


@given(selectors, labels)
def test_selectors_agree_with_the_reference(selector: dict[str, Any], labels: dict[str, str]) -> None:
    assert parse(selector).matches(labels) == selects(selector, labels)


@given(labels)
def test_an_empty_selector_selects_everything(labels: dict[str, str]) -> None:
    assert Selector().matches(labels)
    assert parse({}).matches(labels)
    assert parse(None).matches(labels)


@given(requirements, labels)
def test_each_operator_has_an_opposite(entry: dict[str, Any], labels: dict[str, str]) -> None:
    opposite = entry | {"operator": OPPOSITE[entry["operator"]]}
    assert parse({"matchExpressions": [entry]}).matches(labels) != parse({"matchExpressions": [opposite]}).matches(
        labels
    )


@given(selectors, selectors, labels)
def test_more_requirements_never_select_more(
    one: dict[str, Any], other: dict[str, Any], labels: dict[str, str]
) -> None:
    both = Selector(parse(one).requirements + parse(other).requirements)
    assert both.matches(labels) == (parse(one).matches(labels) and parse(other).matches(labels))


def test_an_unknown_operator_selects_nothing() -> None:
    assert not Requirement("a", "Gt", frozenset("x")).matches({"a": "x"})


@pytest.mark.parametrize(
    ("spec", "isolated"),
    [
        ({}, {Direction.INGRESS}),
        ({"ingress": [{}]}, {Direction.INGRESS}),
        ({"egress": [{}]}, {Direction.INGRESS, Direction.EGRESS}),
        ({"policyTypes": ["Egress"]}, {Direction.EGRESS}),
        ({"policyTypes": ["Ingress"], "egress": [{}]}, {Direction.INGRESS}),
        ({"policyTypes": ["Ingress", "Egress"]}, {Direction.INGRESS, Direction.EGRESS}),
    ],
)
def test_policy_types_have_the_defaults_of_the_api(spec: dict[str, Any], isolated: set[Direction]) -> None:
    policy = parse_policy({"metadata": {"namespace": "n", "name": "p"}, "spec": {"podSelector": {}, **spec}})
    assert set(policy.rules) == isolated


def test_missing_and_empty_lists_mean_everything_but_no_rules_mean_nothing() -> None:
    ingress = [{}, {"from": [], "ports": []}, {"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}]
    spec = {"podSelector": {}, "ingress": ingress, "policyTypes": ["Ingress", "Egress"]}
    policy = parse_policy({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})
    missing, empty, nobody = policy.rules[Direction.INGRESS]
    assert (missing.peers, missing.ports) == (empty.peers, empty.ports) == (None, None)
    assert nobody.peers == ()
    assert policy.rules[Direction.EGRESS] == ()


def test_ports_are_numbers_ranges_names_or_all() -> None:
    ports = [{}, {"protocol": "UDP", "port": 53}, {"port": 80, "endPort": 90}, {"port": "web", "protocol": "SCTP"}]
    spec = {"podSelector": {}, "ingress": [{"ports": ports}]}
    policy = parse_policy({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})
    assert policy.rules[Direction.INGRESS][0].ports == (
        Port("TCP", 0, 65535),
        Port("UDP", 53, 53),
        Port("TCP", 80, 90),
        Port("SCTP", name="web"),
    )


def test_blocks_keep_their_exceptions() -> None:
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}
    spec = {"podSelector": {}, "egress": [{"to": [{"ipBlock": block}]}]}
    policy = parse_policy({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})
    [peer] = policy.rules[Direction.EGRESS][0].peers or ()
    assert isinstance(peer, Block)
    assert (str(peer.network), list(map(str, peer.excluded))) == ("10.0.0.0/8", ["10.1.0.0/16"])


def test_pods_have_the_named_ports_of_containers_and_sidecars_but_not_of_init_containers() -> None:
    source = generate.pod(random.Random(1), "p", "n", "10.0.0.1")
    source["spec"] = {
        "containers": [{"ports": [{"containerPort": 1}, {"name": "web", "containerPort": 2}]}, {}],
        "initContainers": [
            {"restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 3, "protocol": "UDP"}]},
            {"ports": [{"name": "early", "containerPort": 4}]},
        ],
    }
    assert parse_pod(source).ports == (NamedPort("web", "TCP", 2), NamedPort("side", "UDP", 3))


@pytest.mark.parametrize(
    ("status", "address"),
    [
        ({}, None),
        ({"podIP": "10.0.0.1"}, IPv4Address("10.0.0.1")),
        ({"podIP": "fd00::1"}, None),
        ({"podIP": "fd00::1", "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.2"}]}, IPv4Address("10.0.0.2")),
    ],
)
def test_pods_have_their_ipv4_address(status: dict[str, Any], address: IPv4Address | None) -> None:
    meta = {"uid": "u", "namespace": "n", "name": "p"}
    assert parse_pod({"metadata": meta, "spec": {}, "status": status}).address == address


def test_finished_pods_and_pods_of_the_hosts_network_are_marked() -> None:
    meta = {"uid": "u", "namespace": "n", "name": "p"}
    assert parse_pod({"metadata": meta, "spec": {}, "status": {"phase": "Succeeded"}}).finished
    assert parse_pod({"metadata": meta, "spec": {"hostNetwork": True}, "status": {}}).host_network
