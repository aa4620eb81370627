"""An EKS cluster that only its own network reaches, with encrypted secrets and every control-plane log."""

import base64
import json
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import eks, iam, kms

from infra import names

VERSION = "1.34"
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly")
LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


@dataclass(frozen=True)
class EksArgs:
    """What the cluster is called and where it lies.

    Parameters
    ----------
    cluster_name, environment
        Its name in AWS, and whose it is.
    services
        Addresses of its Services.
    subnet_ids
        Private subnets for control plane and nodes.
    """

    cluster_name: str
    environment: str
    services: IPv4Network
    subnet_ids: list[pulumi.Output[str]]


class Eks(pulumi.ComponentResource):
    """The cluster and its nodes."""

    issuer: pulumi.Output[str]
    api_url: pulumi.Output[str]
    api_ca: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: EksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Eks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = names.tags(args.environment)
        key = kms.Key(
            f"{name}-secrets",
            description=f"Kubernetes Secrets of {args.cluster_name}",
            enable_key_rotation=True,
            tags=tags,
            opts=child,
        )
        control, control_ready = self._role(name, "eks.amazonaws.com", ("AmazonEKSClusterPolicy",), tags)
        node, node_ready = self._role(f"{name}-node", "ec2.amazonaws.com", NODE_POLICIES, tags)
        cluster = eks.Cluster(
            name,
            name=args.cluster_name,
            version=VERSION,
            role_arn=control.arn,
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=args.subnet_ids, endpoint_private_access=True, endpoint_public_access=False
            ),
            kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(service_ipv4_cidr=str(args.services)),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                resources=["secrets"], provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn)
            ),
            access_config=eks.ClusterAccessConfigArgs(authentication_mode="API"),
            enabled_cluster_log_types=LOGS,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=control_ready),
        )
        eks.NodeGroup(
            name,
            cluster_name=cluster.name,
            node_role_arn=node.arn,
            subnet_ids=args.subnet_ids,
            instance_types=["m7i.large"],
            scaling_config=eks.NodeGroupScalingConfigArgs(min_size=3, desired_size=3, max_size=9),
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=node_ready),
        )
        self.issuer = cluster.identities[0].oidcs[0].issuer
        self.api_url = cluster.endpoint
        self.api_ca = cluster.certificate_authority.data.apply(_decoded)
        self.kubeconfig = pulumi.Output.all(cluster.name, cluster.endpoint, cluster.certificate_authority.data).apply(
            lambda known: _kubeconfig(known[0], known[1], known[2])
        )
        self.register_outputs({"issuer": self.issuer, "apiUrl": self.api_url})

    def _role(
        self, name: str, service: str, policies: tuple[str, ...], tags: dict[str, str]
    ) -> tuple[iam.Role, list[iam.RolePolicyAttachment]]:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            name,
            assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            tags=tags,
            opts=child,
        )
        attached = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in policies
        ]
        return role, attached


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()


def _kubeconfig(name: str, endpoint: str, authority: str) -> str:
    """Return a kubeconfig that holds no secret: each call asks AWS for a token of its own."""
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", name],
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"exec": login}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
    )
