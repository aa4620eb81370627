"""A service's Deployment, Service and PodDisruptionBudget, declared in place of a Job of the stack."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from services.transport.server import CLOSING_SECONDS, DRAIN_SECONDS
from tests.support.stack.mocked_stack import Stack, run_program, settings, zone_quotas
from workloads.blocks.deployment import Service, deployment, probes
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.hospital import hospital as declared_hospital
from workloads.zones import flow_table, workload_table
from workloads.zones.workload_table import PLANNING, Pods, WorkloadTable

PORT, METRICS = 8443, 8083


def table_of(**change: Any) -> WorkloadTable:
    table = workload_table.table()
    row = replace(table.workloads[PLANNING], **change)
    return replace(table, workloads={**table.workloads, PLANNING: row})


def put(table: WorkloadTable, patch: pytest.MonkeyPatch) -> None:
    zones = replace(flow_table.table(), workloads=table.workloads)
    patch.setattr(workload_table, "table", lambda: table)
    patch.setattr(flow_table, "table", lambda: zones)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    changed = table_of(
        ports={"https": PORT, "metrics": METRICS},
        secrets=("tls", "database-planning"),
        pods=Pods(resources="job", replicas=2),
    )

    def declare(context: HospitalContext, parent: pulumi.Resource) -> None:
        container = Container(
            PLANNING, context.cluster.images.workloads, context.settings.sizes.job, probes=probes(PLANNING)
        )
        deployment(context, Service(PLANNING, container), parent)

    with pytest.MonkeyPatch.context() as patch:
        put(changed, patch)
        patch.setattr(declared_hospital, "planning", declare)
        return run_program(settings("dev", tmp_path_factory.mktemp("dev")))


def test_a_service_keeps_answering_through_updates_and_drains(stack: Stack) -> None:
    [north] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    spec = north.inputs["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Always", 40)
    [container] = pod["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    # What the server then does fits into the rest.
    assert pause > 0
    assert pause + CLOSING_SECONDS + DRAIN_SECONDS < pod["terminationGracePeriodSeconds"]
    [budget] = [one for one in stack.of("PodDisruptionBudget") if one.name == "north-planning"]
    assert budget.inputs["spec"] == {"maxUnavailable": 1, "selector": spec["selector"]}


def test_its_probes_ask_it_with_its_own_certificate(stack: Stack) -> None:
    [north] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    [container] = north.inputs["spec"]["template"]["spec"]["containers"]
    for kind, path in (("livenessProbe", "healthz"), ("readinessProbe", "readyz"), ("startupProbe", "readyz")):
        command = container[kind]["exec"]["command"]
        assert command == ["python3", "-m", "services.probe", f"https://127.0.0.1:{PORT}/{path}"]
    assert container["ports"] == [{"containerPort": PORT, "name": "https", "protocol": "TCP"}]


def test_its_callers_are_those_of_the_zone_table(stack: Stack) -> None:
    [north] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    [container] = north.inputs["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert (env["TLS_CALLERS"], env["TLS_PORT"]) == (
        "spiffe://hmlops/north/care,spiffe://hmlops/north/envoy",
        str(PORT),
    )


def test_its_service_has_the_name_by_which_the_gateway_and_callers_know_it(stack: Stack) -> None:
    [north] = [one for one in stack.of("Service") if one.name == "north-planning"]
    assert north.metadata["name"] == workload_table.row(PLANNING).service_account == "planner"


def test_its_pods_know_the_database_of_their_login(stack: Stack) -> None:
    [north] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    [container] = north.inputs["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert (env["DATABASE_HOST"], env["DATABASE_PORT"]) == ("172.31.250.1", "5432")
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(Path(env["DATABASE_CA"]).parent) in mounted


def test_its_service_leads_to_its_port_and_stays_in_the_cluster(stack: Stack) -> None:
    [north] = [one for one in stack.of("Service") if one.name == "north-planning"]
    spec = north.inputs["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["ports"] == [{"name": "https", "port": 443, "targetPort": PORT, "protocol": "TCP"}]
    [deployed] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    assert spec["selector"] == deployed.inputs["spec"]["template"]["metadata"]["labels"]


def test_its_pods_have_a_sidecar_that_renews_their_secrets(stack: Stack) -> None:
    [north] = [one for one in stack.of("Deployment") if one.name == "north-planning"]
    annotations = north.inputs["spec"]["template"]["metadata"]["annotations"]
    assert annotations["vault.hashicorp.com/agent-inject"] == "true"
    assert "vault.hashicorp.com/agent-pre-populate-only" not in annotations


def test_the_quota_of_its_zone_has_room_for_the_agents(stack: Stack, tmp_path: Path) -> None:
    quota, before = (zone_quotas(one)["north-serving"] for one in (stack, run_without_secrets(tmp_path)))
    assert _memory(quota) == _memory(before) + 3 * 64


def run_without_secrets(folder: Path) -> Stack:
    with pytest.MonkeyPatch.context() as patch:
        changed = table_of(secrets=(), pods=Pods(resources="job", replicas=2))
        put(changed, patch)
        patch.setattr(declared_hospital, "planning", lambda *_: None)
        return run_program(settings("dev", folder))


def _memory(quota: Mapping[str, str]) -> int:
    text = quota["requests.memory"]
    return int(text[:-2]) * (1024 if text.endswith("Gi") else 1)
