"""Classes of nodes: each zone and pool has its own, and pods are placed on it and on no other."""

from pathlib import Path

import pytest

from infra.cluster import pools
from infra.cluster.node_classes import LABEL, placement
from tests.support.stack.mocked_stack import declare, settings
from workloads.zones import flow_table

ZONES = list(flow_table.table().zones)


CLASSES = pools.table().node_classes


def test_every_zone_has_nodes_of_its_own() -> None:
    zones, names = flow_table.table().zones, set(pools.table().pools)
    chosen = {zone: {pools.table().node_class(zone, pool).name for pool in names} for zone in zones}
    assert sum(map(len, chosen.values())) == len(set().union(*chosen.values())) == len(CLASSES)


def test_only_nodes_without_patients_data_take_any_pod() -> None:
    assert [chosen.name for chosen in CLASSES if not chosen.tainted] == ["platform"]
    assert all(chosen.tainted for chosen in CLASSES if chosen.phi)


def test_a_pool_without_nodes_in_a_zone_is_on_the_zone_s_own() -> None:
    assert pools.table().node_class("platform", "batch").name == "platform"
    assert pools.table().node_class("serving", "batch").name == "serving-batch"


@pytest.mark.parametrize(("zone", "pool"), [(zone, pool) for pool in pools.table().pools for zone in ZONES])
def test_pods_are_placed_on_the_nodes_of_their_zone_and_pool(zone: str, pool: str) -> None:
    chosen, found = pools.table().node_class(zone, pool), placement(zone, pool)
    assert found.node_selector == {LABEL: chosen.name}
    tolerated = [(item["key"], item["value"], item["effect"]) for item in found.tolerations]
    assert tolerated == ([(LABEL, chosen.name, "NoSchedule")] if chosen.tainted else [])


def test_one_node_takes_everything(tmp_path: Path) -> None:
    jobs = declare(settings("dev", tmp_path)).of("CronJob")
    specs = [job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in jobs]
    assert not any(spec.get("nodeSelector") or spec.get("tolerations") for spec in specs)
