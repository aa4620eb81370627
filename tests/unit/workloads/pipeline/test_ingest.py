"""A hospital with a FHIR server of its own: where its records come from, and all that this opens."""

from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from model.cli.app import app
from tests.support.stack.mocked_stack import Stack, declare, settings

FHIR = {"url": "https://fhir.north.example:8443/r4", "auth": "smart-backend-services", "client": "north-ehr"}


def with_server(written: dict[str, Any]) -> None:
    written["hospitals"][0] |= {
        "fhir": FHIR,
        "network": "10.50.0.0/24",
        "retention": {"raw": "30d"},
        "timeZone": "America/New_York",
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), with_server))


def arguments(stack: Stack, hospital: str) -> list[str]:
    [job] = [job for job in stack.of("CronJob") if job.name == f"{hospital}-ingest"]
    [container] = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def options(found: list[str]) -> dict[str, str]:
    rest = found[4:]
    return dict(zip(rest[::2], rest[1::2], strict=True))


def test_records_come_from_the_server_by_way_of_the_landing_place(stack: Stack) -> None:
    found = arguments(stack, "north")
    assert found[:4] == ["-m", "model", "ingest", FHIR["url"]]
    said = options(found)
    assert said["--landing"] == "s3://hmlops-dev-north-raw/landing/"
    assert (said["--auth"], said["--client"]) == ("smart-backend-services", "north-ehr")
    # Raw files are kept for 30 days.
    assert said["--full-days"] == "15"
    assert said["--zone"] == "America/New_York"
    assert said["--out"].startswith("s3://hmlops-dev-north-curated/")


def test_a_hospital_of_files_reads_the_landing_place_itself(stack: Stack) -> None:
    found = arguments(stack, "south")
    assert found[3] == "s3://hmlops-dev-south-raw/landing/"
    assert not {"--landing", "--auth", "--client", "--full-days", "--zone"} & options(found).keys()


def test_the_command_takes_these_words(stack: Stack) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    known = {name for parameter in group.commands["ingest"].params for name in parameter.opts}
    assert options(arguments(stack, "north")).keys() <= known


def test_only_the_ingestor_may_read_what_the_server_wants_to_see(stack: Stack) -> None:
    holders = {policy.name for policy in stack.of("Policy") if '/kv/data/fhir"' in policy.inputs["policy"]}
    assert holders == {"north-ingestor", "south-ingestor"}
    [policy] = [policy for policy in stack.of("Policy") if policy.name == "north-ingestor"]
    assert 'path "north/kv/data/fhir" {\n  capabilities = ["read"]\n}' in policy.inputs["policy"]


def test_only_the_ingestor_and_care_may_reach_the_server(stack: Stack) -> None:
    network = [{"ipBlock": {"cidr": "10.50.0.0/24"}}]
    found = {
        policy.name: rule["ports"]
        for policy in stack.of("NetworkPolicy")
        for rule in policy.inputs["spec"].get("egress") or []
        if rule["to"] == network
    }
    port = [{"port": 8443, "protocol": "TCP"}]
    assert found == {"north-ingestor-to-fhir": port, "north-care-to-fhir": port}


def test_the_pod_logs_in_to_vault_for_it(stack: Stack) -> None:
    [job] = [job for job in stack.of("CronJob") if job.name == "north-ingest"]
    [container] = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert env["VAULT_ROLE"] == "north-ingestor"
