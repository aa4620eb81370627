"""Karpenter's NodePools and EC2NodeClasses, one of each a node class of the pools (``infra.cluster.pools``).

Their types come with Karpenter's chart. Karpenter adds the tag ``kubernetes.io/cluster/NAME`` itself, on which its
policy depends (``infra.cluster.autoscaler``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.cluster import addons
from infra.cluster.node_classes import LABEL, ROOT_DEVICE, TAINT_EFFECT, node_tags, standing_nodes
from infra.cluster.pools import NodeClass, Pool, table
from infra.settings import Autoscaler, Settings, names

GROUP = "karpenter.sh"
CLASS_GROUP = "karpenter.k8s.aws"
_VERSION = "v1"
_NODE_CLASS = "EC2NodeClass"
# A node is gone within the 360 hours of control VM-04, even one with a pod that refuses to leave.
_EXPIRE_AFTER = "336h"
_TERMINATION = "24h"
# Pods move to fewer nodes when these have been stable for long, and a PodDisruptionBudget permits it.
_STANDING = {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "30m"}
# A pod of a Job that is moved begins again, so only a node without one is removed.
_EMPTYING = {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5m"}
_ONE_AT_ONCE = {"budgets": [{"nodes": "1"}]}


@dataclass(frozen=True)
class NodeLaunch:
    """Arguments with which Karpenter launches nodes.

    Parameters
    ----------
    instance_profile
        Name of the instance profile with the role of nodes.
    volumes_key_arn
        The KMS key of root volumes.
    subnet_ids, security_group_id
        Private subnets, and the security group of nodes.
    """

    instance_profile: pulumi.Input[str]
    volumes_key_arn: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]


class NodePools(pulumi.ComponentResource):
    """A NodePool and its EC2NodeClass for each node class."""

    def __init__(
        self, name: str, settings: Settings, launch: NodeLaunch, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("healthcare-mlops:infra:NodePools", name, None, opts)
        for pool in table().pools.values():
            for node_class in pool.nodes.values():
                declared = self._object(
                    CLASS_GROUP, _NODE_CLASS, node_class, class_spec(settings.environment, launch, node_class)
                )
                self._object(GROUP, "NodePool", node_class, pool_spec(pool, node_class), declared)
        self.register_outputs({})

    def _object(
        self, group: str, kind: str, node_class: NodeClass, spec: dict[str, object], *depends_on: pulumi.Resource
    ) -> CustomResource:
        return CustomResource(
            f"nodes-{node_class.name}",
            api_version=f"{group}/{_VERSION}",
            kind=kind,
            metadata=ObjectMetaArgs(name=node_class.name, labels=names.labels()),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(depends_on)),
        )


def class_spec(environment: str, launch: NodeLaunch, node_class: NodeClass) -> dict[str, object]:
    """Return what an EC2 instance of a class is launched with: the same as by the launch template of its node group."""
    return {
        "amiSelectorTerms": [{"alias": f"al2023@{addons.table().node_image}"}],
        "instanceProfile": launch.instance_profile,
        "subnetSelectorTerms": [{"id": subnet} for subnet in launch.subnet_ids],
        "securityGroupSelectorTerms": [{"id": launch.security_group_id}],
        "associatePublicIPAddress": False,
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        "blockDeviceMappings": [
            {
                "deviceName": ROOT_DEVICE,
                "rootVolume": True,
                "ebs": {
                    "volumeType": "gp3",
                    "volumeSize": f"{node_class.disk}Gi",
                    "encrypted": True,
                    "kmsKeyID": launch.volumes_key_arn,
                    "deleteOnTermination": True,
                },
            }
        ],
        "tags": node_tags(environment, node_class),
    }


def pool_spec(pool: Pool, node_class: NodeClass) -> dict[str, object]:
    """Return which nodes Karpenter adds to a class, how many, and when it removes them."""
    taint = {"key": LABEL, "value": node_class.name, "effect": TAINT_EFFECT}
    # Karpenter keeps to a number of processors, not of nodes. Those of the node group are not its own.
    added = node_class.maximum - standing_nodes(node_class, Autoscaler.KARPENTER)
    return {
        "template": {
            "metadata": {"labels": {LABEL: node_class.name}},
            "spec": {
                "nodeClassRef": {"group": CLASS_GROUP, "kind": _NODE_CLASS, "name": node_class.name},
                "requirements": [
                    _one_of("node.kubernetes.io/instance-type", *node_class.instance_types),
                    _one_of("karpenter.sh/capacity-type", "on-demand"),
                    _one_of("kubernetes.io/arch", "amd64"),
                    _one_of("kubernetes.io/os", "linux"),
                ],
                **({"taints": [taint]} if node_class.tainted else {}),
                "expireAfter": _EXPIRE_AFTER,
                "terminationGracePeriod": _TERMINATION,
            },
        },
        "limits": {"cpu": str(added * node_class.cpus)},
        "disruption": {**(_EMPTYING if pool.may_be_empty else _STANDING), **_ONE_AT_ONCE},
    }


def _one_of(label: str, *values: str) -> dict[str, object]:
    return {"key": label, "operator": "In", "values": list(values)}
