"""Selection of the stack's cluster: an existing cluster by its kubeconfig, or an EKS cluster of the stack."""

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap

from infra.access.human_roles import HumanRoles
from infra.blocks.providers import AwsAccount
from infra.cluster.cluster import CA_CONFIG_MAP, CA_KEY, DNS_PORTS, Cluster, cluster_provider
from infra.monitoring.account_monitoring import AccountMonitoring
from infra.settings import EksSettings, ExistingClusterSettings, Settings, names


def connect(settings: Settings, aws: AwsAccount, monitoring: AccountMonitoring, human_roles: HumanRoles) -> Cluster:
    """Return the cluster of the settings; an EKS cluster is declared first.

    Parameters
    ----------
    settings, aws
        The stack's settings and the AWS providers.
    monitoring
        The account's monitoring, whose key encrypts control-plane logs of an EKS cluster.
    human_roles
        The roles of people, whose break-glass role administers an EKS cluster.
    """
    if isinstance(settings, EksSettings):
        # Imported here: its modules of pulumi_aws take seconds to load, which other clusters do not need.
        from infra.cluster.eks import declare

        return declare(settings, aws, monitoring.logs_key_arn, human_roles.arns[names.BREAK_GLASS])
    return _existing(settings)


def _existing(settings: ExistingClusterSettings) -> Cluster:
    """Return an existing cluster, reached with the kubeconfig of the environment variable KUBECONFIG."""
    api, aws = settings.endpoints.kubernetes, settings.endpoints.aws
    provider = cluster_provider()
    root_ca = ConfigMap.get("cluster-ca", f"default/{CA_CONFIG_MAP}", opts=pulumi.ResourceOptions(provider=provider))
    return Cluster(
        provider=provider,
        issuer=api.url,
        audience=api.url,
        api_url=api.url,
        api_ca=root_ca.data[CA_KEY],
        vault=settings.endpoints.vault,
        aws=aws,
        aws_url=aws.url,
        private_ca=True,
        dns_port=DNS_PORTS[settings.cluster],
        network=None,
        images=settings.images,
        installs_platform=False,
        node_launch=None,
        has_node_classes=False,
        spans_zones=False,
    )
