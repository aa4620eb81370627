"""EKS node groups: one for each node class (``infra.cluster.node_classes``), each with its launch template."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, eks, iam

from infra.blocks.service_trust import service_trust
from infra.cluster.node_classes import LABEL, NODE_CLASSES, NodeClass
from infra.network.vpc import Network
from infra.settings import names
from infra.settings.values import Settings

# Pods' network has a role of its own; a node registers itself, vouches for pods, and fetches images.
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
ROOT_DEVICE = "/dev/xvda"
_TAINT = "NO_SCHEDULE"


@dataclass(frozen=True)
class NodeGroupsArgs:
    """Of which cluster the nodes are.

    Parameters
    ----------
    settings
        The environment.
    network
        Where they are.
    cluster_name
        The cluster.
    volumes_key_arn
        The key of their volumes.
    ready
        What must be there before the first node.
    """

    settings: Settings
    network: Network
    cluster_name: pulumi.Input[str]
    volumes_key_arn: pulumi.Input[str]
    ready: Sequence[pulumi.Resource]


class NodeGroups(pulumi.ComponentResource):
    """The groups and the role of their nodes; ``ids`` are known once nodes run."""

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
        may = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
            for policy in NODE_POLICIES
        ]
        self.role_arn, self.role_name = role.arn, role.name
        self.ids = [self._group(chosen, [*may, *args.ready]) for chosen in NODE_CLASSES.values()]
        self.register_outputs({"roleArn": self.role_arn})

    def _group(self, chosen: NodeClass, ready: Sequence[pulumi.Resource]) -> pulumi.Output[str]:
        template = self._template(chosen)
        taint = eks.NodeGroupTaintArgs(key=LABEL, value=chosen.name, effect=_TAINT)
        return eks.NodeGroup(
            f"{self._name}-{chosen.name}",
            node_group_name=f"{self._stem}-{chosen.name}",
            cluster_name=self._args.cluster_name,
            node_role_arn=self.role_arn,
            subnet_ids=self._args.network.node_subnet_ids,
            ami_type="AL2023_x86_64_STANDARD",
            capacity_type="ON_DEMAND",
            instance_types=list(chosen.instance_types),
            launch_template=eks.NodeGroupLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str)),
            scaling_config=eks.NodeGroupScalingConfigArgs(
                min_size=chosen.least, desired_size=chosen.least, max_size=chosen.most
            ),
            update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            labels={LABEL: chosen.name},
            taints=[taint] if chosen.tainted else None,
            tags=self._tags(chosen),
            # How many nodes there are is the autoscaler's to say; two groups of one name cannot be at once.
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(ready),
                ignore_changes=["scalingConfig.desiredSize"],
                delete_before_replace=True,
            ),
        ).id

    def _template(self, chosen: NodeClass) -> ec2.LaunchTemplate:
        """Declare how a node starts: metadata for itself alone, an encrypted disk, no address or key to come in by."""
        tags = self._tags(chosen)
        return ec2.LaunchTemplate(
            f"{self._name}-{chosen.name}",
            name=f"{self._stem}-{chosen.name}",
            update_default_version=True,
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=ROOT_DEVICE,
                    ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_type="gp3",
                        volume_size=chosen.disk,
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

    def _tags(self, chosen: NodeClass) -> dict[str, str]:
        return {
            **names.tags(self._args.settings.environment, phi=chosen.phi, node_class=chosen.name),
            "Name": f"{self._stem}-{chosen.name}",
        }
