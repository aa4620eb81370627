"""The zone table and what it means: closed namespaces, and both ends of every flow open within one hospital."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.support.stack.mocked_stack import Declared, Stack, configuration, declare, settings
from tests.support.stack.service_accounts import ROWS, ZONES
from workloads.zones import workload_table
from workloads.zones.flow_table import TABLE, parse, table
from workloads.zones.workload_table import CARE, GATEWAY, row

HOSPITALS = ("north", "south")
# The hospitals of dev have files, not servers, and nothing scrapes their metrics.
ABSENT = {"fhir", "monitoring"}
SERVERS = "172.31.250.1/32"
ENDPOINTS = {
    "dns": ("kube-dns", 5353),
    "vault": (SERVERS, 8200),
    "aws": (SERVERS, 4566),
    "postgresql": (SERVERS, 5432),
    "sign-in": (SERVERS, 8446),
    "issuer": (SERVERS, 8446),
    "gateway-control": ("envoy-gateway", 18000),
}
CLINICS = {entry["name"]: entry["network"] for entry in configuration("dev")["hospitals"]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def rules(policy: Declared) -> list[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Return each peer that a policy opens, with the direction and the ports."""
    spec = policy.inputs["spec"]
    outward = [("egress", peer, rule["ports"]) for rule in spec.get("egress", []) for peer in rule["to"]]
    inward = [("ingress", peer, rule["ports"]) for rule in spec.get("ingress", []) for peer in rule["from"]]
    return outward + inward


def opened(stack: Stack, hospital: str) -> Counter[tuple[str, str, str, int]]:
    """Return every opening of a hospital as (direction, workload, other end, port)."""
    found: Counter[tuple[str, str, str, int]] = Counter()
    for policy in stack.of("NetworkPolicy"):
        if policy.metadata["labels"]["healthcare-mlops/hospital"] != hospital:
            continue
        for direction, peer, ports in rules(policy):
            workload = policy.inputs["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
            other = peer["podSelector"]["matchLabels"] if "podSelector" in peer else {"cidr": peer["ipBlock"]["cidr"]}
            for port in {int(port["port"]) for port in ports}:
                found[direction, workload, *other.values(), port] += 1
    return found


def test_every_namespace_is_closed_both_ways(stack: Stack) -> None:
    namespaces = {namespace.metadata["name"] for namespace in stack.of("Namespace")}
    assert namespaces == {f"{hospital}-{zone}" for hospital in HOSPITALS for zone in table().zones}
    closed = {
        policy.metadata["namespace"]
        for policy in stack.of("NetworkPolicy")
        if policy.inputs["spec"]["podSelector"] == {}
        and set(policy.inputs["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not rules(policy)
    }
    assert closed == namespaces


def test_namespaces_demand_restricted_pods(stack: Stack) -> None:
    for namespace in stack.of("Namespace"):
        assert namespace.metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert namespace.metadata["labels"]["healthcare-mlops/zone"] in table().zones


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_exactly_the_flows_of_the_table_are_open_at_both_ends(stack: Stack, hospital: str) -> None:
    wanted: Counter[tuple[str, str, str, int]] = Counter()
    for flow in table().flows_between(ROWS):
        if flow.source in ABSENT or flow.target in ABSENT:
            continue
        port = table().port(flow)
        if port is None:
            wanted["egress", row(flow.source).service_account, *ENDPOINTS[flow.target]] += 1
            continue
        target = row(flow.target).service_account
        if flow.source == "clinic":
            wanted["ingress", target, CLINICS[hospital], port] += 1
            continue
        source = row(flow.source).service_account
        wanted["egress", source, target, port] += 1
        wanted["ingress", target, source, port] += 1
    assert opened(stack, hospital) == wanted


def test_no_policy_crosses_hospitals(stack: Stack) -> None:
    checked = 0
    for policy in stack.of("NetworkPolicy"):
        hospital = policy.metadata["labels"]["healthcare-mlops/hospital"]
        assert policy.metadata["namespace"].startswith(f"{hospital}-")
        for _, peer, _ in rules(policy):
            if "podSelector" not in peer:
                continue
            selector = peer["namespaceSelector"]["matchLabels"]
            assert selector.keys() == {"kubernetes.io/metadata.name"}, "any other label can be forged"
            namespace = selector["kubernetes.io/metadata.name"]
            shared = namespace in ("kube-system", table().pods["gateway-control"].namespace)
            assert shared or namespace.startswith(f"{hospital}-")
            checked += 1
    assert checked > 10


def test_policies_lie_in_the_zone_of_their_workload(stack: Stack) -> None:
    for policy in stack.of("NetworkPolicy"):
        for workload in policy.inputs["spec"]["podSelector"].get("matchLabels", {}).values():
            assert policy.metadata["labels"]["healthcare-mlops/zone"] == ZONES[workload]


def test_only_the_phi_zone_reaches_the_hospital_s_server(tmp_path: Path) -> None:
    prod = declare(settings("prod", tmp_path))
    to_fhir = [
        policy
        for policy in prod.of("NetworkPolicy")
        if policy.inputs["spec"]["policyTypes"] == ["Egress"]
        and any(peer.get("ipBlock", {}).get("cidr") == "10.50.0.0/24" for _, peer, _ in rules(policy))
    ]
    assert {policy.metadata["namespace"] for policy in to_fhir} == {"north-phi"}
    assert {policy.metadata["name"] for policy in to_fhir} == {"ingestor-to-fhir", "care-to-fhir"}
    assert all(rules(policy)[0][2] == [{"port": 443, "protocol": "TCP"}] for policy in to_fhir)


def test_only_the_gateway_answers_what_is_outside_of_the_cluster(tmp_path: Path) -> None:
    prod = declare(settings("prod", tmp_path))
    entrances = [
        (policy.metadata["namespace"], peer["ipBlock"]["cidr"], ports)
        for policy in prod.of("NetworkPolicy")
        for direction, peer, ports in rules(policy)
        if direction == "ingress" and "ipBlock" in peer
    ]
    assert ("north-platform", "10.50.0.0/24", [{"port": 10443, "protocol": "TCP"}]) in entrances
    assert all(home == "north-platform" for home, _, _ in entrances if home.startswith("north-"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"flows": [{"source": "nobody", "target": "dns"}]}, "flow nobody to dns: unknown workload or endpoint"),
        ({"flows": [{"source": "training", "target": "moon"}]}, "flow training to moon: unknown workload or endpoint"),
        ({"flows": [{"source": "planning", "target": "model-server"}]}, "flows to workloads have a port"),
        ({"flows": [{"source": "planning", "target": "dns", "port": "http"}]}, "flows to workloads have a port"),
        ({"flows": [{"source": "planning", "target": "model-server", "port": "ssh"}]}, "no port ssh of model-server"),
        ({"flows": [{"source": "planning", "target": "model-server", "port": 8080}]}, "valid string"),
        ({"holds": {"phi": "raw"}}, "holds of zones.yaml must name each"),
        ({"passes": {"phi": "raw"}}, "passes of zones.yaml must name each"),
        ({"passes": {"phi": "raw", "serving": "curated", "data": "curated", "platform": "some"}}, "passes.platform"),
        ({"exceptions": []}, "exceptions"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(change: dict[str, Any], says: str) -> None:
    written = {**yaml.safe_load(TABLE.read_text()), **change}
    with pytest.raises(ValidationError, match=says):
        parse(written, workload_table.table().workloads)


def test_a_workload_in_an_unknown_zone_is_refused() -> None:
    attic = {"ingest": dataclasses.replace(row("ingest"), zone="attic")}
    with pytest.raises(ValidationError, match="workload ingest is in zone attic"):
        parse(yaml.safe_load(TABLE.read_text()), attic)


def test_the_gateway_alone_leads_into_the_phi_zone_and_only_its_own_workloads_leave_it() -> None:
    for flow in table().flows:
        if flow.target in table().workloads and flow.source in table().workloads:
            source, target = table().workloads[flow.source].zone, table().workloads[flow.target].zone
            assert target != "phi" or (flow.source, flow.target) == (GATEWAY, CARE), flow
            assert source == target or flow.source in (GATEWAY, CARE), f"{flow} crosses zones"
        if flow.target == "fhir":
            assert table().workloads[flow.source].zone == "phi"


def test_namespaces_say_whose_they_are_and_what_they_hold(stack: Stack) -> None:
    labelled = {namespace.metadata["name"]: namespace.metadata["labels"] for namespace in stack.of("Namespace")}
    own = {key.removeprefix("healthcare-mlops/"): value for key, value in labelled["north-phi"].items()}
    assert (own["owner"], own["phi"], own["data-class"]) == ("platform", "true", "raw")
    assert labelled["north-platform"]["healthcare-mlops/phi"] == "false"
    assert {labels["pod-security.kubernetes.io/enforce-version"] for labels in labelled.values()} == {"v1.34"}


def test_namespaces_name_the_agreement_and_whom_to_call(stack: Stack) -> None:
    for namespace in stack.of("Namespace"):
        hospital = namespace.metadata["labels"]["healthcare-mlops/hospital"]
        notes = {key.removeprefix("healthcare-mlops/"): text for key, text in namespace.metadata["annotations"].items()}
        assert notes["baa"].startswith("BAA-2026")
        assert notes["security-contact"] == notes["notify"] == f"secops@{hospital}.example"
