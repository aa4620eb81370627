"""Pods of production verify the database server by certificates that the stack publishes in their namespace."""

from pathlib import Path
from typing import Any

import pytest

from infra.databases.databases import AUTHORITIES_FILE, AUTHORITIES_FOLDER, AUTHORITIES_KEY
from infra.network.addresses import subnet_plan
from infra.settings import EksSettings
from tests.support.stack.mocked_stack import (
    ADMINISTRATOR_ARN,
    RELEASE,
    Stack,
    configuration,
    database_authorities,
    declare,
    like,
    settings,
)
from tests.support.stack.mocked_stack import pods as pods_of
from workloads.blocks.database_authorities import CONFIG_MAP
from workloads.zones.workload_table import table

USERS = {row.service_account: row for row in table().workloads.values() if row.uses_database and not row.leaving}
SIGNS_IN = {"care", "database-setup"}


def second_hospital(written: dict[str, Any]) -> None:
    written["hospitals"][0]["release"] = RELEASE
    written["hospitals"].append(like(written["hospitals"][0], "south", network="10.51.0.0/24"))


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod"), second_hospital))


@pytest.fixture(scope="module")
def pods(prod: Stack) -> dict[tuple[str, str], dict[str, Any]]:
    return {(pod["hospital"], pod["serviceAccountName"]): pod for _, pod in pods_of(prod)}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def mounted(pod: dict[str, Any]) -> dict[str, str]:
    """Return the ConfigMap that each folder of the containers has."""
    volumes = {volume["name"]: volume.get("configMap", {}).get("name") for volume in pod["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in pod["containers"][0]["volumeMounts"]}


def test_every_workload_of_the_databases_runs_in_production(pods: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {"planner", "care", "database-setup", "features", "ingestor", "gateway-recorder"} <= USERS.keys()
    assert {(hospital, user) for hospital in ("north", "south") for user in USERS} <= pods.keys()


def test_pods_that_connect_know_the_server_and_verify_it(pods: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (hospital, account), pod in pods.items():
        values = environment(pod["containers"][0])
        if account not in USERS:
            assert not [name for name in values if name.startswith("DATABASE_")], (hospital, account)
            assert CONFIG_MAP not in mounted(pod).values(), (hospital, account)
            continue
        assert values["DATABASE_HOST"] == "x.rds.amazonaws.com"
        assert values["DATABASE_PORT"] == "5432"
        assert values["DATABASE_CA"] == AUTHORITIES_FILE == f"{AUTHORITIES_FOLDER}/{AUTHORITIES_KEY}"
        assert mounted(pod)[AUTHORITIES_FOLDER] == CONFIG_MAP
        [volume] = [one["configMap"] for one in pod["volumes"] if one["name"] == CONFIG_MAP]
        assert volume["items"] == [{"key": AUTHORITIES_KEY, "path": AUTHORITIES_KEY}]
        assert all(mount["readOnly"] for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == CONFIG_MAP)


def test_certificates_are_in_each_namespace_that_needs_them_and_in_no_other(prod: Stack) -> None:
    published = [one for one in prod.of("ConfigMap") if one.metadata["name"] == CONFIG_MAP]
    zones = {row.zone for row in USERS.values()}
    expected = {f"{hospital}-{zone}" for hospital in ("north", "south") for zone in zones}
    assert {one.metadata["namespace"] for one in published} == expected
    assert all(one.inputs["data"] == {AUTHORITIES_KEY: database_authorities()} for one in published)


def test_only_the_job_of_the_databases_knows_the_administrator(pods: dict[tuple[str, str], dict[str, Any]]) -> None:
    named = {key for key, pod in pods.items() if ADMINISTRATOR_ARN in str(pod)}
    assert named == {("north", "database-setup"), ("south", "database-setup")}
    job = environment(pods["north", "database-setup"]["containers"][0])
    assert job["DATABASE_ADMINISTRATOR"] == ADMINISTRATOR_ARN


def test_who_verifies_sign_in_knows_the_provider_of_the_entry(pods: dict[tuple[str, str], dict[str, Any]]) -> None:
    [entry] = configuration("prod")["hospitals"]
    for account in SIGNS_IN:
        values = environment(pods["north", account]["containers"][0])
        assert values["SIGN_IN_ISSUER"] == entry["signIn"]["issuer"]
        assert values["SIGN_IN_AUDIENCE"] == entry["signIn"]["audience"]
        # A public authority signed its certificate.
        assert "SIGN_IN_CA" not in values


def test_pods_reach_the_subnets_of_the_database_on_its_port_alone(prod: Stack, tmp_path: Path) -> None:
    chosen = settings("prod", tmp_path)
    assert isinstance(chosen, EksSettings)
    plan = subnet_plan(chosen.networks.vpc)
    policies = [one for one in prod.of("NetworkPolicy") if one.metadata["name"].endswith("-to-postgresql")]
    assert {one.inputs["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for one in policies} == set(
        USERS
    )
    for policy in policies:
        [rule] = policy.inputs["spec"]["egress"]
        assert rule["ports"] == [{"port": 5432, "protocol": "TCP"}]
        assert {peer["ipBlock"]["cidr"] for peer in rule["to"]} == {str(block) for block in plan.data}


def test_services_are_spread_over_availability_zones(prod: Stack) -> None:
    for service in prod.of("Deployment"):
        spec = service.inputs["spec"]["template"]["spec"]
        [spread] = spec["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        assert spread["whenUnsatisfiable"] == "DoNotSchedule"
        assert spread["labelSelector"]["matchLabels"] == service.inputs["spec"]["selector"]["matchLabels"]
        # One anchor at a time signs a chain.
        least = 1 if service.metadata["name"] == "audit-anchor" else 2
        assert service.inputs["spec"]["replicas"] >= least
