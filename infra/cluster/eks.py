"""An EKS cluster that only its own network reaches, with encrypted secrets and every control-plane log."""

import base64
import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import eks, iam

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.log_group import RECORD_DAYS, Logs, LogsArgs
from infra.blocks.service_trust import service_trust
from infra.cluster import addons
from infra.network.vpc import Network
from infra.settings import names
from infra.settings.values import Settings

LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
POLICY = "AmazonEKSClusterPolicy"


@dataclass(frozen=True)
class EksArgs:
    """Where the cluster lies.

    Parameters
    ----------
    settings
        The environment.
    network
        Its network.
    logs_key_arn
        The key of logs.
    """

    settings: Settings
    network: Network
    logs_key_arn: pulumi.Input[str]


class Eks(pulumi.ComponentResource):
    """The control plane; nobody has a right in it as yet, and nothing runs."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    issuer: pulumi.Output[str]
    api_url: pulumi.Output[str]
    api_ca: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: EksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Eks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, called = args.settings, names.stem(args.settings.environment)
        tags = names.tags(settings.environment, phi=False)
        role = iam.Role(name, name=f"{called}-control", assume_role_policy=service_trust("eks"), tags=tags, opts=child)
        may = iam.RolePolicyAttachment(name, role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{POLICY}", opts=child)
        key = PlatformKey(
            f"{name}-secrets",
            PlatformKeyArgs(settings, "kubernetes-secrets", roles=(role.arn,), through=("eks",)),
            child,
        )
        # The service would make it without key and term.
        logs = Logs(
            name,
            LogsArgs(settings, f"/aws/eks/{called}/cluster", args.logs_key_arn, days=RECORD_DAYS),
            child,
        )
        cluster = eks.Cluster(
            name,
            name=called,
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
            # Add-ons are declared with their versions, so none comes by itself.
            bootstrap_self_managed_addons=False,
            enabled_cluster_log_types=LOGS,
            deletion_protection=settings.tier.protect_data,
            # A version that is out of support is replaced, not paid for.
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=settings.tier.protect_data, depends_on=[may, logs]),
        )
        self.name = cluster.name
        self.arn = cluster.arn
        self.issuer = cluster.identities[0].oidcs[0].issuer
        self.api_url = cluster.endpoint
        self.api_ca = cluster.certificate_authority.data.apply(_decoded)
        self.kubeconfig = pulumi.Output.all(cluster.name, cluster.endpoint, cluster.certificate_authority.data).apply(
            lambda known: _kubeconfig(known[0], known[1], known[2])
        )
        self.register_outputs({"issuer": self.issuer, "apiUrl": self.api_url})


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
