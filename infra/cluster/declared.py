"""The EKS cluster of the stack: network, control plane, who enters, nodes, add-ons and images, in their order."""

import pulumi
import pulumi_kubernetes as kubernetes

from infra.access.cluster_access import Access, AccessArgs
from infra.blocks.providers import Account
from infra.cluster.addons import Addons, AddonsArgs
from infra.cluster.autoscaler import NodeScaling, NodeScalingArgs
from infra.cluster.cluster import DNS_PORTS, Cluster
from infra.cluster.eks import Eks, EksArgs
from infra.cluster.image_repositories import Registry, RegistryArgs, images
from infra.cluster.node_groups import NodeGroups, NodeGroupsArgs
from infra.cluster.volumes import Volumes, VolumesArgs, storage_class
from infra.network.vpc import Network, NetworkArgs
from infra.settings.values import ClusterKind, Endpoint, Settings


def declare(
    settings: Settings, account: Account, logs_key_arn: pulumi.Input[str], break_glass_arn: pulumi.Input[str]
) -> Cluster:
    """Declare the cluster, and return how it is reached.

    Parameters
    ----------
    settings, account
        The environment, and where it is.
    logs_key_arn
        The key of logs.
    break_glass_arn
        The role of emergencies, which administers the cluster besides the deployer.
    """
    vpc = settings.networks.vpc
    if vpc is None:
        raise AssertionError("settings of an EKS cluster name its VPC")
    here = pulumi.ResourceOptions(providers={"aws": account.here})
    network = Network("network", NetworkArgs(settings, vpc, logs_key_arn), here)
    eks = Eks("eks", EksArgs(settings, network, logs_key_arn), here)
    administrators = {"deployer": settings.deployer, "break-glass": break_glass_arn}
    access = Access("access", AccessArgs(settings, eks.name, administrators), here)
    volumes = Volumes("volumes", VolumesArgs(settings), here)
    early = Addons("early-addons", AddonsArgs(settings, eks.name, eks.arn, early=True), here)
    nodes = NodeGroups("nodes", NodeGroupsArgs(settings, network, eks.name, volumes.key_arn, ready=[early]), here)
    after_nodes = pulumi.ResourceOptions.merge(here, pulumi.ResourceOptions(depends_on=[nodes]))
    addons = Addons("addons", AddonsArgs(settings, eks.name, eks.arn, early=False), after_nodes)
    NodeScaling("scaling", NodeScalingArgs(settings, eks.name, eks.arn, nodes.role_arn, nodes.role_name), here)
    Registry("registry", RegistryArgs(settings, nodes.role_arn), here)
    # The provider is of use once the deployer may enter and there is something to run pods, so its one input waits.
    ready = pulumi.Output.all(eks.kubeconfig, *access.ids, *nodes.ids, *early.ids, *addons.ids)
    provider = kubernetes.Provider("cluster", kubeconfig=ready.apply(lambda known: str(known[0])))
    storage_class(provider, volumes.key_arn)
    return Cluster(
        provider=provider,
        issuer=eks.issuer,
        audience="https://kubernetes.default.svc",
        api_url=eks.api_url,
        api_ca=eks.api_ca,
        vault=settings.endpoints.vault,
        aws=Endpoint(url=f"https://sts.{settings.region}.amazonaws.com", port=443, network=str(vpc)),
        aws_url=None,
        private_ca=False,
        dns_port=DNS_PORTS[ClusterKind.EKS],
        network=network,
        images=images(settings),
        installs_platform=True,
        has_node_classes=True,
        spans_zones=True,
    )
