"""EKS managed node groups with their launch templates, one a node class of the pools (``infra.cluster.pools``).

With Karpenter they are the nodes that exist before it runs: a class that may be empty has none, as a group of no node
would never grow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, eks, iam

from infra.blocks.trust_policy import service_trust
from infra.cluster.node_classes import LABEL, ROOT_DEVICE, node_tags, standing_nodes
from infra.cluster.pools import NodeClass, table
from infra.network.vpc import Network
from infra.settings import Autoscaler, Settings, names

# AmazonEKS_CNI_Policy is absent: the VPC CNI add-on has its own role.
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
_TAINT = "NO_SCHEDULE"


@dataclass(frozen=True)
class NodeGroupsArgs:
    """Arguments of the node groups.

    Parameters
    ----------
    settings
        The stack's settings.
    network
        The VPC.
    cluster_name
        Name of the cluster.
    volumes_key_arn
        The KMS key of root volumes.
    depends_on
        Resources that must exist before the first node.
    """

    settings: Settings
    network: Network
    cluster_name: pulumi.Input[str]
    volumes_key_arn: pulumi.Input[str]
    depends_on: Sequence[pulumi.Resource]


class NodeGroups(pulumi.ComponentResource):
    """Managed node groups and the IAM role of nodes; ``ids`` resolve once the groups are active."""

    role_arn: pulumi.Output[str]
    role_name: pulumi.Output[str]
    ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: NodeGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:NodeGroups", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._name, self._args = name, args
        self._stem = names.stem(args.settings.environment)
        role = iam.Role(
            name,
            name=f"{self._stem}-node",
            assume_role_policy=service_trust("ec2"),
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        )
        role_policies = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
            for policy in NODE_POLICIES
        ]
        self.role_arn, self.role_name = role.arn, role.name
        depends_on = [*role_policies, *args.depends_on]
        autoscaler = args.settings.options.autoscaler
        self.ids = [
            self._node_group(node_class, standing_nodes(node_class, autoscaler), depends_on)
            for node_class in table().node_classes
            if standing_nodes(node_class, autoscaler) or autoscaler is not Autoscaler.KARPENTER
        ]
        self.register_outputs({"roleArn": self.role_arn})

    def _node_group(
        self, node_class: NodeClass, minimum: int, depends_on: Sequence[pulumi.Resource]
    ) -> pulumi.Output[str]:
        template = self._launch_template(node_class)
        taint = eks.NodeGroupTaintArgs(key=LABEL, value=node_class.name, effect=_TAINT)
        return eks.NodeGroup(
            f"{self._name}-{node_class.name}",
            node_group_name=f"{self._stem}-{node_class.name}",
            cluster_name=self._args.cluster_name,
            node_role_arn=self.role_arn,
            subnet_ids=self._args.network.node_subnet_ids,
            ami_type="AL2023_x86_64_STANDARD",
            capacity_type="ON_DEMAND",
            instance_types=list(node_class.instance_types),
            launch_template=eks.NodeGroupLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str)),
            scaling_config=eks.NodeGroupScalingConfigArgs(
                min_size=minimum, desired_size=minimum, max_size=node_class.maximum
            ),
            update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            labels={LABEL: node_class.name},
            taints=[taint] if node_class.tainted else None,
            tags=node_tags(self._args.settings.environment, node_class),
            # The autoscaler sets the desired size; node group names are unique, hence deletion before replacement.
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(depends_on),
                ignore_changes=["scalingConfig.desiredSize"],
                delete_before_replace=True,
            ),
        ).id

    def _launch_template(self, node_class: NodeClass) -> ec2.LaunchTemplate:
        """Declare the launch template: IMDSv2 with hop limit 1, encrypted volume, no public address, no SSH key."""
        tags = node_tags(self._args.settings.environment, node_class)
        return ec2.LaunchTemplate(
            f"{self._name}-{node_class.name}",
            name=f"{self._stem}-{node_class.name}",
            update_default_version=True,
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=ROOT_DEVICE,
                    ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=node_class.disk,
                        encrypted="true",
                        kms_key_id=self._args.volumes_key_arn,
                        delete_on_termination="true",
                    ),
                )
            ],
            network_interfaces=[
                ec2.LaunchTemplateNetworkInterfaceArgs(
                    associate_public_ip_address="false",
                    security_groups=[self._args.network.groups["nodes"]],
                    delete_on_termination="true",
                )
            ],
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "network-interface", "volume")
            ],
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
