"""Care as it is declared: what its settings read, what it may reach, and where it is absent."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.care.settings import Settings as CareSettings
from tests.support.gateway.gateway_callers import public_members, signing_key
from tests.support.stack.mocked_stack import (
    RELEASE,
    SECOND_RELEASE,
    Declared,
    Stack,
    declare,
    settings,
    without_gateway,
)


def entries(written: dict[str, Any]) -> None:
    """Give north an EHR and sign-in, and south programs alone."""
    north, south = written["hospitals"]
    key = public_members(signing_key("ehr-1"))
    launch = {"issuer": "https://fhir.north.example/r4", "client": "north-worklist"}
    north |= {
        "title": "North Hospital",
        "timeZone": "America/New_York",
        "network": "10.50.0.0/24",
        "fhir": {"url": "https://fhir.north.example/r4", "auth": "none", "writeBack": True},
        "ehr": {"application": "north-ehr", "issuer": "https://ehr.north.example", "keys": [key], "launch": launch},
    }
    del south["signIn"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), entries))


def deployment(stack: Stack) -> Declared:
    [found] = [one for one in stack.of("Deployment") if one.metadata["name"] == "care"]
    return found


def environment(stack: Stack) -> dict[str, str]:
    [container] = deployment(stack).inputs["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}


def test_it_is_declared_where_an_ehr_or_people_reach_it_through_a_gateway(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert deployment(stack).metadata["namespace"] == "north-phi"

    def change(written: dict[str, Any]) -> None:
        entries(written)
        without_gateway(written)

    without = declare(settings("dev", tmp_path_factory.mktemp("without"), change))
    for one in without.resources:
        assert "north-care" not in one.name, one.name


def test_it_knows_the_units_of_a_canary(tmp_path: Path) -> None:
    def change(written: dict[str, Any]) -> None:
        entries(written)
        canary = {"release": SECOND_RELEASE, "percent": 10, "units": ["surgery"]}
        written["hospitals"] = [written["hospitals"][0] | {"release": RELEASE, "canary": canary}]

    assert json.loads(environment(declare(settings("dev", tmp_path, change)))["CANARY_UNITS"]) == ["surgery"]


def test_its_variables_are_its_settings(stack: Stack) -> None:
    found = environment(stack)
    read = CareSettings.from_environment(found)
    assert (read.hospital, read.hospital_title) == ("north", "North Hospital")
    assert read.hmlops_time_zone == "America/New_York"
    assert read.address == "https://north.localhost:8447"
    assert read.ehr_address == "https://north.api.localhost:8447"
    assert str(read.planning_url).startswith("https://planner.north-serving.svc")
    assert read.units == ("cardiology", "medicine", "surgery")
    assert read.worklist is not None
    assert read.worklist.audience == "north-care"
    [client] = read.clients
    assert (client.name, client.iss) == ("north-ehr", "https://ehr.north.example")
    assert client.fhir_servers == ("https://fhir.north.example/r4",)
    assert client.smart is not None
    assert client.smart.client_id == "north-worklist"
    assert str(read.fhir_server) == "https://fhir.north.example/r4"


def test_the_gateway_alone_may_call_it(stack: Stack) -> None:
    assert environment(stack)["TLS_CALLERS"] == "spiffe://hmlops/north/envoy"
    policies = [one for one in stack.of("NetworkPolicy") if one.metadata["name"].startswith("care-")]
    names = {one.metadata["name"] for one in policies}
    assert names >= {f"care-to-{peer}" for peer in ("vault", "aws", "postgresql", "sign-in", "fhir")}
    assert [name for name in names if name.startswith("care-from-")] == ["care-from-envoy"]


def test_it_has_logins_of_its_own_database_and_of_the_audit_s(stack: Stack) -> None:
    annotations = deployment(stack).inputs["spec"]["template"]["metadata"]["annotations"]
    prefix = "vault.hashicorp.com/agent-inject-secret-"
    secrets = {name.removeprefix(prefix): path for name, path in annotations.items() if name.startswith(prefix)}
    assert secrets.keys() == {"tls.crt", "tls.key", "tls.ca", "database-care.json", "database-audit.json"}
    assert secrets["database-care.json"] == "north/database/creds/care-service"
    assert secrets["database-audit.json"] == "north/database/creds/audit-writer"


def test_each_route_leads_to_a_port_of_a_service(stack: Stack) -> None:
    services = {(one.metadata["namespace"], one.metadata["name"]): one.inputs["spec"] for one in stack.of("Service")}
    backends = [
        (backend["namespace"], backend["name"], backend["port"])
        for route in stack.of("HTTPRoute")
        for rule in route.inputs["spec"]["rules"]
        for backend in rule.get("backendRefs", ())
    ]
    assert {name for _, name, _ in backends} == {"care", "planner"}
    for namespace, name, port in backends:
        assert port in {one["port"] for one in services[namespace, name]["ports"]}
