"""Connection to a Kubernetes cluster and its properties, independent of the kind of cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from infra.cluster.node_classes import ANY_NODE, Placement, placement
from infra.cluster.node_pools import NodeLaunch
from infra.settings import ClusterKind, Endpoint, Images

if TYPE_CHECKING:
    from infra.network.vpc import Network

CA_CONFIG_MAP = "kube-root-ca.crt"
CA_KEY = "ca.crt"
# Folder, in a container, of the CA that signs the certificates of the platform's servers.
CA_FOLDER = "/var/run/secrets/ca"
PLATFORM_CA_FILE = f"{CA_FOLDER}/{CA_KEY}"
# NetworkPolicies apply after destination NAT of the Service address, so the port is that of the DNS pods.
DNS_PORTS = {ClusterKind.LOCAL: 5353, ClusterKind.KIND: 53, ClusterKind.EKS: 53}


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes cluster as workloads use it.

    Parameters
    ----------
    provider
        Kubernetes provider.
    issuer
        OIDC issuer URL of ServiceAccount tokens.
    audience
        Default audience of ServiceAccount tokens.
    api_url, api_ca
        URL and CA certificate of the API server, where Vault reviews tokens.
    vault
        Endpoint of the Vault server for pods.
    aws
        Endpoint of the AWS APIs for pods.
    aws_url
        Custom URL of the AWS APIs; None for the standard endpoints.
    private_ca
        Whether the certificates of Vault and AWS are signed by the cluster's CA, which Kubernetes publishes to
        every namespace as the ConfigMap ``kube-root-ca.crt``.
    dns_port
        Port of the cluster's DNS pods.
    network
        The VPC of the cluster; None for clusters outside the stack.
    images
        Container images by digest, in the registry from which nodes pull.
    installs_platform
        Whether the stack installs the platform's Helm charts; a cluster outside the stack already has them.
    has_node_classes
        Whether each zone has node classes.
    spans_zones
        Whether nodes are in several availability zones.
    node_launch
        What Karpenter launches nodes with; None without Karpenter.
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
    installs_platform: bool
    has_node_classes: bool
    spans_zones: bool
    node_launch: NodeLaunch | None

    @property
    def when_unsatisfiable(self) -> str:
        """``whenUnsatisfiable`` of topology spread constraints over availability zones."""
        return "DoNotSchedule" if self.spans_zones else "ScheduleAnyway"

    def placement(self, zone: str, pool: str) -> Placement:
        """Return the node selector and tolerations of a pool's pods in a zone."""
        return placement(zone, pool) if self.has_node_classes else ANY_NODE


def cluster_provider(kubeconfig: pulumi.Input[str] | None = None) -> kubernetes.Provider:
    """Declare the Kubernetes provider; without a kubeconfig it reads that of the environment variable KUBECONFIG."""
    # A changed ConfigMap is updated in place: deleted for a moment, the gateway had no revocation list.
    return kubernetes.Provider("cluster", kubeconfig=kubeconfig, enable_config_map_mutable=True)
