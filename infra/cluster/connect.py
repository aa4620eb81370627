"""Connects the stack to its cluster: a running one by its kubeconfig, or an EKS cluster that the stack declares."""

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core.v1 import ConfigMap

from infra.access.human_roles import People
from infra.blocks.providers import Account
from infra.cluster.cluster import CA_CONFIG_MAP, CA_KEY, DNS_PORTS, Cluster
from infra.monitoring.account_monitoring import Watch
from infra.settings import names
from infra.settings.values import ClusterKind, Settings


def connect(settings: Settings, account: Account, watch: Watch, people: People) -> Cluster:
    """Return the cluster that the settings name; an EKS cluster is declared in the account on the way.

    Parameters
    ----------
    settings, account
        The environment, and where it is.
    watch
        Whose key encrypts the records of a declared cluster.
    people
        Whose role of emergencies a declared cluster lets in.
    """
    if settings.cluster is ClusterKind.EKS:
        # Imported here because the modules of AWS that it needs take seconds to load, which local stacks need not pay.
        from infra.cluster.declared import declare

        return declare(settings, account, watch.logs_key_arn, people.arns[names.BREAK_GLASS])
    return _running(settings)


def _running(settings: Settings) -> Cluster:
    """Return a cluster that runs already, reached as the environment's KUBECONFIG says."""
    api, cloud = settings.endpoints.kubernetes, settings.endpoints.aws
    if api is None or cloud is None:
        raise AssertionError("settings of a running cluster name its API server and its AWS endpoint")
    provider = kubernetes.Provider("cluster")
    published = ConfigMap.get("cluster-ca", f"default/{CA_CONFIG_MAP}", opts=pulumi.ResourceOptions(provider=provider))
    return Cluster(
        provider=provider,
        issuer=api.url,
        audience=api.url,
        api_url=api.url,
        api_ca=published.data[CA_KEY],
        vault=settings.endpoints.vault,
        aws=cloud,
        aws_url=cloud.url,
        private_ca=True,
        dns_port=DNS_PORTS[settings.cluster],
        network=None,
        images=settings.images,
        installs_platform=False,
        has_node_classes=False,
        spans_zones=False,
    )
