"""EKS control plane: private endpoint, envelope encryption of Secrets, all control-plane logs."""

import base64
import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks, iam

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.log_group import AUDIT_LOG_DAYS, LogGroup, LogGroupArgs
from infra.blocks.trust_policy import service_trust
from infra.cluster import addons
from infra.network.vpc import Network
from infra.settings import Settings, names

LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
POLICY = "AmazonEKSClusterPolicy"


@dataclass(frozen=True)
class ControlPlaneArgs:
    """Arguments of the control plane.

    Parameters
    ----------
    settings
        The stack's settings.
    network
        The VPC.
    logs_key_arn
        The KMS key of log groups.
    """

    settings: Settings
    network: Network
    logs_key_arn: pulumi.Input[str]


class ControlPlane(pulumi.ComponentResource):
    """EKS cluster without access entries, add-ons and nodes, which other components declare."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    issuer: pulumi.Output[str]
    api_url: pulumi.Output[str]
    api_ca: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Eks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, cluster_name = args.settings, names.stem(args.settings.environment)
        tags = names.tags(settings.environment, phi=False)
        role = iam.Role(
            name, name=f"{cluster_name}-control", assume_role_policy=service_trust("eks"), tags=tags, opts=child
        )
        role_policy = iam.RolePolicyAttachment(
            name, role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{POLICY}", opts=child
        )
        key = PlatformKey(
            f"{name}-secrets",
            PlatformKeyArgs(settings, "kubernetes-secrets", roles=(role.arn,), via=("eks",)),
            child,
        )
        # Declared before the cluster: EKS would create it without a KMS key and retention.
        logs = LogGroup(
            name,
            LogGroupArgs(settings, f"/aws/eks/{cluster_name}/cluster", args.logs_key_arn, days=AUDIT_LOG_DAYS),
            child,
        )
        cluster = eks.Cluster(
            name,
            name=cluster_name,
            version=addons.table().kubernetes,
            role_arn=role.arn,
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=args.network.node_subnet_ids,
                security_group_ids=[args.network.groups["control"]],
                endpoint_private_access=True,
                endpoint_public_access=False,
            ),
            kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=str(settings.networks.services)
            ),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                resources=["secrets"], provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn)
            ),
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            # Add-ons are declared with pinned versions.
            bootstrap_self_managed_addons=False,
            enabled_cluster_log_types=LOGS,
            deletion_protection=settings.tier.protect_data,
            # No extended support: the version is upgraded before standard support ends.
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self, protect=settings.tier.protect_data, depends_on=[role_policy, logs]
            ),
        )
        self.name = cluster.name
        self.arn = cluster.arn
        self.issuer = cluster.identities[0].oidcs[0].issuer
        self.api_url = cluster.endpoint
        self.api_ca = cluster.certificate_authority.data.apply(_decode)
        self.kubeconfig = pulumi.Output.all(cluster.name, cluster.endpoint, cluster.certificate_authority.data).apply(
            lambda outputs: _kubeconfig(outputs[0], outputs[1], outputs[2])
        )
        self.register_outputs({"issuer": self.issuer, "apiUrl": self.api_url})


def _decode(data: str) -> str:
    return base64.b64decode(data).decode()


def _kubeconfig(name: str, endpoint: str, authority: str) -> str:
    """Return a kubeconfig without secrets: its exec plugin requests a token from AWS."""
    exec_plugin = {
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
            "users": [{"name": name, "user": {"exec": exec_plugin}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }
    )
