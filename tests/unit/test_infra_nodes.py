"""Classes of nodes: each zone has its own, and pods are placed on it and on no other."""

import pytest

from infra.nodes import LABEL, NODE_CLASSES, placement
from infra.settings import ClusterKind
from workloads.flows import table


def test_every_zone_has_nodes_of_its_own() -> None:
    zones = table().zones
    assert set(NODE_CLASSES) == set(zones)
    assert len({chosen.name for chosen in NODE_CLASSES.values()}) == len(zones)


def test_only_nodes_without_patients_data_take_any_pod() -> None:
    assert [chosen.name for chosen in NODE_CLASSES.values() if not chosen.tainted] == ["platform"]
    assert all(chosen.tainted for chosen in NODE_CLASSES.values() if chosen.phi)


def test_sizes_can_be() -> None:
    assert all(0 <= chosen.least <= chosen.most for chosen in NODE_CLASSES.values())


@pytest.mark.parametrize("zone", list(NODE_CLASSES))
def test_pods_are_placed_on_the_nodes_of_their_zone(zone: str) -> None:
    chosen, found = NODE_CLASSES[zone], placement(ClusterKind.EKS, zone)
    assert found.node_selector == {LABEL: chosen.name}
    tolerated = [(item["key"], item["value"], item["effect"]) for item in found.tolerations]
    assert tolerated == ([(LABEL, chosen.name, "NoSchedule")] if chosen.tainted else [])


@pytest.mark.parametrize("kind", [ClusterKind.LOCAL, ClusterKind.KIND])
def test_one_node_takes_everything(kind: ClusterKind) -> None:
    for zone in NODE_CLASSES:
        found = placement(kind, zone)
        assert (found.node_selector, found.tolerations) == ({}, [])
