"""EKS cluster of the stack: VPC, control plane, access entries, node groups, add-ons, image repositories."""

import pulumi

from infra.access.cluster_access import ClusterAccess, ClusterAccessArgs
from infra.blocks.providers import AwsAccount
from infra.cluster.addons import Addons, AddonsArgs
from infra.cluster.autoscaler import NodeScaling, NodeScalingArgs
from infra.cluster.cluster import DNS_PORTS, Cluster, cluster_provider
from infra.cluster.control_plane import ControlPlane, ControlPlaneArgs
from infra.cluster.image_repositories import ImageRepositories, ImageRepositoriesArgs, images
from infra.cluster.node_groups import NodeGroups, NodeGroupsArgs
from infra.cluster.node_pools import NodeLaunch
from infra.cluster.volumes import Volumes, VolumesArgs, storage_class
from infra.network.vpc import Network, NetworkArgs
from infra.settings import EksSettings, Endpoint


def declare(
    settings: EksSettings, aws: AwsAccount, logs_key_arn: pulumi.Input[str], break_glass_arn: pulumi.Input[str]
) -> Cluster:
    """Declare the EKS cluster and return the connection to it.

    Parameters
    ----------
    settings, aws
        The stack's settings and the AWS providers.
    logs_key_arn
        The KMS key of log groups.
    break_glass_arn
        The break-glass role, which administers the cluster together with the deployer.
    """
    opts = pulumi.ResourceOptions(providers={"aws": aws.primary})
    network = Network("network", NetworkArgs(settings, logs_key_arn), opts)
    eks = ControlPlane("eks", ControlPlaneArgs(settings, network, logs_key_arn), opts)
    administrators = {"deployer": settings.deployer, "break-glass": break_glass_arn}
    access = ClusterAccess("access", ClusterAccessArgs(settings, eks.name, administrators), opts)
    volumes = Volumes("volumes", VolumesArgs(settings), opts)
    node_addons = Addons("early-addons", AddonsArgs(settings, eks.name, eks.arn, before_nodes=True), opts)
    nodes = NodeGroups(
        "nodes", NodeGroupsArgs(settings, network, eks.name, volumes.key_arn, depends_on=[node_addons]), opts
    )
    after_nodes = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[nodes]))
    addons = Addons("addons", AddonsArgs(settings, eks.name, eks.arn, before_nodes=False), after_nodes)
    scaling = NodeScaling(
        "scaling", NodeScalingArgs(settings, eks.name, eks.arn, nodes.role_arn, nodes.role_name), opts
    )
    ImageRepositories("registry", ImageRepositoriesArgs(settings, nodes.role_arn), opts)
    # The kubeconfig resolves once the deployer has access and nodes can run pods.
    ready = pulumi.Output.all(eks.kubeconfig, *access.ids, *nodes.ids, *node_addons.ids, *addons.ids)
    provider = cluster_provider(ready.apply(lambda outputs: str(outputs[0])))
    storage_class(provider, volumes.key_arn)
    return Cluster(
        provider=provider,
        issuer=eks.issuer,
        audience="https://kubernetes.default.svc",
        api_url=eks.api_url,
        api_ca=eks.api_ca,
        vault=settings.endpoints.vault,
        aws=Endpoint(url=f"https://sts.{settings.region}.amazonaws.com", answers_from=str(settings.networks.vpc)),
        aws_url=None,
        private_ca=False,
        dns_port=DNS_PORTS[settings.cluster],
        network=network,
        images=images(settings),
        installs_platform=True,
        has_node_classes=True,
        spans_zones=True,
        node_launch=None
        if scaling.instance_profile is None
        else NodeLaunch(scaling.instance_profile, volumes.key_arn, network.node_subnet_ids, network.groups["nodes"]),
    )
