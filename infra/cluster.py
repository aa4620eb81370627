"""One face for every kind of cluster: what stands above never asks which one it is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core.v1 import ConfigMap

from infra import names
from infra.account import Account
from infra.people import People
from infra.settings import ClusterKind, Endpoint, Images, Settings
from infra.watch import Watch

if TYPE_CHECKING:
    from infra.network import Network

CA_CONFIG_MAP = "kube-root-ca.crt"
CA_KEY = "ca.crt"
# NetworkPolicies see a packet after the Service's address was replaced, so what counts is the port of the DNS pods.
DNS_PORTS = {ClusterKind.LOCAL: 5353, ClusterKind.KIND: 53, ClusterKind.EKS: 53}


@dataclass(frozen=True)
class Cluster:
    """What workloads and identities need to know of a cluster.

    Parameters
    ----------
    provider
        Deploys Kubernetes objects to it.
    issuer
        Who signs its ServiceAccount tokens, as AWS and Vault know it.
    audience
        The audience of a token that a pod asks for without naming one.
    api_url, api_ca
        Where Vault has tokens reviewed, and the certificate authority of that address.
    vault
        The Vault server, as pods reach it.
    aws
        The AWS servers, as pods reach them.
    aws_url
        Their address where it is not Amazon's own.
    private_ca
        Whether Vault and AWS show certificates of the cluster's own authority, which Kubernetes publishes to
        every namespace as the ConfigMap ``kube-root-ca.crt``.
    dns_port
        The port of the cluster's DNS pods.
    network
        The VPC that it lies in, where the stack declares one.
    images
        Every image by digest, as its nodes fetch it.
    bare
        Whether it comes with nothing but Kubernetes, so that this stack brings the platform's charts.
    """

    provider: kubernetes.Provider
    issuer: pulumi.Input[str]
    audience: pulumi.Input[str]
    api_url: pulumi.Input[str]
    api_ca: pulumi.Output[str]
    vault: Endpoint
    aws: Endpoint
    aws_url: str | None
    private_ca: bool
    dns_port: int
    network: "Network | None"
    images: Images
    bare: bool


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
        from infra.declared_cluster import declare

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
        bare=False,
    )
