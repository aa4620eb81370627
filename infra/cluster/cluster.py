"""A cluster as its workloads see it, whatever its kind: nothing above this package asks for the kind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from infra.cluster.node_classes import ANY_NODE, Placement, placement
from infra.settings.values import ClusterKind, Endpoint, Images

if TYPE_CHECKING:
    from infra.network.vpc import Network

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
    installs_platform
        Whether the stack installs the platform's charts; a cluster that is not declared by the stack comes with them.
    has_node_classes
        Whether each zone has nodes of its own.
    spans_zones
        Whether its nodes lie in several availability zones.
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

    @property
    def when_unsatisfiable(self) -> str:
        """What the scheduler does with a pod that would not be spread over availability zones."""
        return "DoNotSchedule" if self.spans_zones else "ScheduleAnyway"

    def placement(self, zone: str) -> Placement:
        """Return the nodes of a zone's pods."""
        return placement(zone) if self.has_node_classes else ANY_NODE
