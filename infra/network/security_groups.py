"""Security groups of the VPC and their rules: connections between groups, and to networks outside the VPC.

A row of ``RULES`` declares the egress rule of its source and the ingress rule of its target. Security groups do not
filter traffic to the Amazon DNS server, the Time Sync Service and instance metadata.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, vpc

from infra.settings import EksSettings, names
from infra.settings.network import POSTGRESQL_PORT

HTTPS = 443

GROUPS = {
    "control": "The API server of the cluster",
    "nodes": "Nodes of the cluster and their pods",
    "endpoints": "Endpoints of AWS services inside the VPC",
    "database": "PostgreSQL",
    "streaming": "Kafka brokers",
}


@dataclass(frozen=True)
class SecurityGroupRule:
    """Allowed connection between two groups: a TCP port, or all traffic where ``port`` is None."""

    source: str
    target: str
    port: int | None
    description: str


RULES = (
    SecurityGroupRule("nodes", "nodes", None, "Pods to pods, which NetworkPolicies narrow to the zone table"),
    SecurityGroupRule("nodes", "control", HTTPS, "Kubelets, controllers and operators to the API server"),
    SecurityGroupRule(
        "control", "nodes", 10250, "API server to kubelets, the metrics API and the webhook of cert-manager"
    ),
    SecurityGroupRule("control", "nodes", HTTPS, "API server to webhooks"),
    SecurityGroupRule("control", "nodes", 8080, "API server to the webhook of the Vault injector"),
    SecurityGroupRule("control", "nodes", 8443, "API server to webhooks of the gateway and of Karpenter"),
    SecurityGroupRule("control", "nodes", 9443, "API server to the webhook of KServe"),
    SecurityGroupRule("nodes", "endpoints", HTTPS, "AWS services"),
    SecurityGroupRule("nodes", "database", POSTGRESQL_PORT, "PostgreSQL over TLS, with IAM or Vault credentials"),
    SecurityGroupRule("nodes", "streaming", 9094, "Kafka over TLS"),
    SecurityGroupRule("nodes", "streaming", 9098, "Kafka over TLS, with IAM credentials"),
)


@dataclass(frozen=True)
class SecurityGroupsArgs:
    """Arguments of the security groups.

    Parameters
    ----------
    settings
        The stack's settings, with the servers and networks outside the VPC.
    vpc_id
        The VPC.
    """

    settings: EksSettings
    vpc_id: pulumi.Input[str]


class SecurityGroups(pulumi.ComponentResource):
    """Security groups of the VPC with their rules; ``ids`` by the group's name in ``GROUPS``."""

    ids: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: SecurityGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Groups", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        self._tags = names.tags(settings.environment, phi=False)
        self.ids = {
            group: ec2.SecurityGroup(
                f"{name}-{group}",
                name=f"{names.stem(settings.environment)}-{group}",
                description=description,
                vpc_id=args.vpc_id,
                tags=names.tags(settings.environment, phi=group in ("nodes", "database", "streaming")),
                opts=self._child,
            ).id
            for group, description in GROUPS.items()
        }
        for rule in RULES:
            self._rule_pair(rule)
        for peer in settings.networks.peers:
            description = f"{peer.name} to the API server"
            self._ingress("control", f"{name}-peer-{peer.name}", peer.network, HTTPS, description)
        vault = settings.endpoints.vault
        self._node_egress(f"{name}-vault", vault.network, vault.port, "Vault")
        # Vault creates and ends the logins of workloads.
        self._ingress("database", f"{name}-vault-database", vault.network, POSTGRESQL_PORT, "Vault to PostgreSQL")
        self._identity_providers()
        for hospital in settings.working:
            if hospital.network:
                description = f"FHIR server of hospital {hospital.name}"
                self._node_egress(f"{hospital.name}-fhir", hospital.network, hospital.fhir.port, description)
        if settings.options.nat:
            self._node_egress(f"{name}-internet", "0.0.0.0/0", HTTPS, "The internet through the NAT gateways")
        self.register_outputs({"ids": self.ids})

    def _rule_pair(self, rule: SecurityGroupRule) -> None:
        """Declare the egress rule of the source and the ingress rule of the target."""
        name = f"{self._name}-{rule.source}-{rule.target}-{rule.port or 'all'}"
        vpc.SecurityGroupEgressRule(
            name,
            security_group_id=self.ids[rule.source],
            referenced_security_group_id=self.ids[rule.target],
            ip_protocol="tcp" if rule.port else "-1",
            from_port=rule.port,
            to_port=rule.port,
            description=rule.description,
            tags=self._tags,
            opts=self._child,
        )
        vpc.SecurityGroupIngressRule(
            name,
            security_group_id=self.ids[rule.target],
            referenced_security_group_id=self.ids[rule.source],
            ip_protocol="tcp" if rule.port else "-1",
            from_port=rule.port,
            to_port=rule.port,
            description=rule.description,
            tags=self._tags,
            opts=self._child,
        )

    def _identity_providers(self) -> None:
        """Declare egress to the servers whose keys verify tokens.

        Rules have the name of the network: hospitals may share a provider, and AWS refuses a second rule for it.
        """
        settings, vault = self._args.settings, self._args.settings.endpoints.vault
        declared = {(vault.network, vault.port)}
        declared |= {(hospital.network, hospital.fhir.port) for hospital in settings.working if hospital.network}
        providers = [hospital.sign_in.endpoint for hospital in settings.working if hospital.sign_in]
        servers = [*([settings.gateway.jwks] if settings.gateway else []), *providers]
        for network, port in sorted({(server.network, server.port) for server in servers} - declared):
            name = f"{self._name}-identity-{network.replace('/', '-')}-{port}"
            self._node_egress(name, network, port, "Identity provider, whose keys verify tokens")

    def _ingress(self, group: str, name: str, network: str, port: int, description: str) -> None:
        vpc.SecurityGroupIngressRule(
            name,
            security_group_id=self.ids[group],
            cidr_ipv4=network,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=description,
            tags=self._tags,
            opts=self._child,
        )

    def _node_egress(self, name: str, network: str, port: int, description: str) -> None:
        vpc.SecurityGroupEgressRule(
            name,
            security_group_id=self.ids["nodes"],
            cidr_ipv4=network,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=description,
            tags=self._tags,
            opts=self._child,
        )
