"""Classes of nodes: each zone has its own, and pods are placed on it and on no other."""

from pathlib import Path

import pytest

from infra.cluster.node_classes import LABEL, NODE_CLASSES, placement
from tests.support.stack.mocked_stack import declare, settings
from workloads.zones.flow_table import table


def test_every_zone_has_nodes_of_its_own() -> None:
    zones = table().zones
    assert set(NODE_CLASSES) == set(zones)
    assert len({chosen.name for chosen in NODE_CLASSES.values()}) == len(zones)


def test_only_nodes_without_patients_data_take_any_pod() -> None:
    assert [chosen.name for chosen in NODE_CLASSES.values() if not chosen.tainted] == ["platform"]
    assert all(chosen.tainted for chosen in NODE_CLASSES.values() if chosen.phi)


def test_sizes_can_be() -> None:
    assert all(0 <= chosen.minimum <= chosen.maximum for chosen in NODE_CLASSES.values())


@pytest.mark.parametrize("zone", list(NODE_CLASSES))
def test_pods_are_placed_on_the_nodes_of_their_zone(zone: str) -> None:
    chosen, found = NODE_CLASSES[zone], placement(zone)
    assert found.node_selector == {LABEL: chosen.name}
    tolerated = [(item["key"], item["value"], item["effect"]) for item in found.tolerations]
    assert tolerated == ([(LABEL, chosen.name, "NoSchedule")] if chosen.tainted else [])


def test_one_node_takes_everything(tmp_path: Path) -> None:
    jobs = declare(settings("dev", tmp_path)).of("CronJob")
    specs = [job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in jobs]
    assert not any(spec.get("nodeSelector") or spec.get("tolerations") for spec in specs)
