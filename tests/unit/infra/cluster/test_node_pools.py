"""Nodes of Karpenter: one NodePool and node class a row of the pools, as closed as the nodes of the managed groups."""

from pathlib import Path
from typing import Any

import pytest

from infra.cluster import pools
from infra.cluster.node_classes import LABEL
from tests.support.stack.mocked_stack import Stack, declare, settings

CLASSES = {node_class.name: node_class for node_class in pools.table().node_classes}
EMPTY = {
    node_class.name
    for pool in pools.table().pools.values()
    for node_class in pool.nodes.values()
    if not node_class.minimum
}
STANDING = {node_class.name for node_class in pools.table().pools["clinical"].nodes.values()}


def stack(folder: Path, autoscaler: str) -> Stack:
    return declare(settings("prod", folder, lambda config: config["options"].update(autoscaler=autoscaler)))


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return stack(tmp_path_factory.mktemp("prod"), "karpenter")


def specs(found: Stack, kind: str) -> dict[str, Any]:
    return {one.metadata["name"]: one.inputs["spec"] for one in found.of(kind)}


def groups(found: Stack) -> dict[str, Any]:
    return {
        group.inputs["labels"][LABEL]: group.inputs
        for group in found.of("NodeGroup")
        if "scalingConfig" in group.inputs
    }


def test_each_node_class_has_one_pool_and_one_class(prod: Stack) -> None:
    made = specs(prod, "NodePool")
    assert len(prod.of("NodePool")) == len(prod.of("EC2NodeClass")) == len(CLASSES)
    assert made.keys() == specs(prod, "EC2NodeClass").keys() == CLASSES.keys()
    for name, spec in made.items():
        assert spec["template"]["metadata"]["labels"] == {LABEL: name}
        assert spec["template"]["spec"]["nodeClassRef"]["name"] == name
        taints = [(one["key"], one["value"], one["effect"]) for one in spec["template"]["spec"].get("taints", [])]
        assert taints == ([(LABEL, name, "NoSchedule")] if CLASSES[name].tainted else [])


def test_nodes_are_of_the_table_s_types_and_not_more_than_its_maximum(prod: Stack) -> None:
    groups_of, cpus = groups(prod), {"large": 2, "xlarge": 4}
    for name, spec in specs(prod, "NodePool").items():
        chosen = CLASSES[name]
        wanted = {one["key"]: one["values"] for one in spec["template"]["spec"]["requirements"]}
        assert wanted["node.kubernetes.io/instance-type"] == list(chosen.instance_types)
        assert wanted["karpenter.sh/capacity-type"] == ["on-demand"]
        of_group = groups_of[name]["scalingConfig"]["minSize"] if name in groups_of else 0
        added = int(spec["limits"]["cpu"]) / cpus[chosen.instance_types[0].partition(".")[2]]
        assert added + of_group == chosen.maximum


def test_clinical_nodes_exist_before_karpenter_runs_and_others_when_somebody_asks(prod: Stack) -> None:
    assert groups(prod).keys() == CLASSES.keys() - EMPTY
    assert groups(prod).keys() >= STANDING
    assert EMPTY


@pytest.mark.parametrize(("autoscaler", "least"), [("cluster-autoscaler", 0), ("none", 1)])
def test_without_karpenter_every_class_has_a_group(autoscaler: str, least: int, tmp_path: Path) -> None:
    found = stack(tmp_path, autoscaler)
    assert groups(found).keys() == CLASSES.keys()
    assert min(group["scalingConfig"]["minSize"] for group in groups(found).values()) == least
    for kind in ("NodePool", "EC2NodeClass"):
        with pytest.raises(LookupError):
            found.of(kind)


def test_one_node_at_a_time_is_removed_and_none_with_a_job(prod: Stack) -> None:
    for name, spec in specs(prod, "NodePool").items():
        policy = "WhenEmptyOrUnderutilized" if name in STANDING else "WhenEmpty"
        assert spec["disruption"]["consolidationPolicy"] == policy
        assert spec["disruption"]["budgets"] == [{"nodes": "1"}]


def test_no_node_is_older_than_fifteen_days(prod: Stack) -> None:
    for spec in specs(prod, "NodePool").values():
        node = spec["template"]["spec"]
        hours = [int(node[name].removesuffix("h")) for name in ("expireAfter", "terminationGracePeriod")]
        assert sum(hours) <= 15 * 24


def test_nodes_are_as_closed_as_those_of_the_groups(prod: Stack) -> None:
    templates = {one.inputs["name"]: one.inputs for one in prod.of("LaunchTemplate")}
    for name, spec in specs(prod, "EC2NodeClass").items():
        [mapping] = spec["blockDeviceMappings"]
        assert spec["associatePublicIPAddress"] is False
        assert spec["metadataOptions"]["httpTokens"] == "required"
        assert spec["metadataOptions"]["httpPutResponseHopLimit"] == 1
        assert mapping["ebs"]["encrypted"] is True
        assert mapping["ebs"]["volumeSize"] == f"{CLASSES[name].disk}Gi"
        if template := templates.get(f"hmlops-prod-{name}"):
            [of_group] = template["blockDeviceMappings"]
            [interface] = template["networkInterfaces"]
            assert mapping["deviceName"] == of_group["deviceName"]
            assert mapping["ebs"]["kmsKeyID"] == of_group["ebs"]["kmsKeyId"]
            assert [term["id"] for term in spec["securityGroupSelectorTerms"]] == interface["securityGroups"]
            assert spec["tags"] == template["tags"]
    assert len(templates) == len(CLASSES) - len(EMPTY)


def test_nodes_are_in_the_stack_s_subnets_with_its_profile_and_a_pinned_image(prod: Stack) -> None:
    [profile] = prod.of("InstanceProfile")
    subnets = {one.id for one in prod.of("Subnet") if "nodes" in one.name}
    for spec in specs(prod, "EC2NodeClass").values():
        assert spec["instanceProfile"] == profile.inputs["name"] == "hmlops-prod-node"
        assert {term["id"] for term in spec["subnetSelectorTerms"]} == subnets
        [term] = spec["amiSelectorTerms"]
        assert term.keys() == {"alias"}
        assert term["alias"].startswith("al2023@v20")


def test_a_cluster_outside_the_stack_has_no_node_pools(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        declare(settings("dev", tmp_path)).of("NodePool")
