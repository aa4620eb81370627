"""Security groups by role: what may connect to what inside the VPC, and to which networks outside it.

Both ends of a way are opened by one row of the table, as a way that is open at one end only helps nobody. What is in
no row is closed. Amazon's name servers, clock and metadata are no subject of security groups.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, vpc

from infra.settings import names
from infra.settings.values import Settings

HTTPS = 443

ROLES = {
    "control": "The API server of the cluster",
    "nodes": "Nodes of the cluster and their pods",
    "endpoints": "Endpoints of AWS services inside the VPC",
    "database": "PostgreSQL",
    "streaming": "Kafka brokers",
}


@dataclass(frozen=True)
class Way:
    """A way from one role to another: a TCP port, or everything where there is none."""

    source: str
    target: str
    port: int | None
    why: str


WAYS = (
    Way("nodes", "nodes", None, "Pods to pods, which NetworkPolicies narrow to the zone table"),
    Way("nodes", "control", HTTPS, "Kubelets, controllers and operators to the API server"),
    Way("control", "nodes", 10250, "API server to kubelets, the metrics API and the webhook of cert-manager"),
    Way("control", "nodes", HTTPS, "API server to webhooks"),
    Way("control", "nodes", 8080, "API server to the webhook of the Vault injector"),
    Way("control", "nodes", 8443, "API server to webhooks of the gateway and of Karpenter"),
    Way("control", "nodes", 9443, "API server to the webhook of KServe"),
    Way("nodes", "endpoints", HTTPS, "AWS services"),
    Way("nodes", "database", 5432, "PostgreSQL over TLS, with IAM or Vault credentials"),
    Way("nodes", "streaming", 9094, "Kafka over TLS"),
    Way("nodes", "streaming", 9098, "Kafka over TLS, with IAM credentials"),
)


@dataclass(frozen=True)
class GroupsArgs:
    """Whose groups these are.

    Parameters
    ----------
    settings
        The environment: its servers and networks outside the VPC.
    vpc_id
        The VPC.
    """

    settings: Settings
    vpc_id: pulumi.Input[str]


class Groups(pulumi.ComponentResource):
    """The groups with their rules; ``ids`` are theirs by role."""

    ids: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: GroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Groups", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        self._tags = names.tags(settings.environment, phi=False)
        self.ids = {
            role: ec2.SecurityGroup(
                f"{name}-{role}",
                name=f"{names.stem(settings.environment)}-{role}",
                description=what,
                vpc_id=args.vpc_id,
                tags=names.tags(settings.environment, phi=role in ("nodes", "database", "streaming")),
                opts=self._child,
            ).id
            for role, what in ROLES.items()
        }
        for way in WAYS:
            self._open(way)
        for peer in settings.networks.peers:
            self._admit(f"{name}-peer-{peer.name}", peer.network, f"{peer.name} to the API server")
        vault = settings.endpoints.vault
        self._release(f"{name}-vault", vault.network, vault.port, "Vault")
        for hospital in settings.working:
            if hospital.network:
                what = f"FHIR server of hospital {hospital.name}"
                self._release(f"{hospital.name}-fhir", hospital.network, hospital.fhir.port, what)
        if settings.options.nat:
            self._release(f"{name}-internet", "0.0.0.0/0", HTTPS, "The internet through the NAT gateways")
        self.register_outputs({"ids": self.ids})

    def _open(self, way: Way) -> None:
        """Open both ends of a way."""
        full = f"{self._name}-{way.source}-{way.target}-{way.port or 'all'}"
        vpc.SecurityGroupEgressRule(
            full,
            security_group_id=self.ids[way.source],
            referenced_security_group_id=self.ids[way.target],
            ip_protocol="tcp" if way.port else "-1",
            from_port=way.port,
            to_port=way.port,
            description=way.why,
            tags=self._tags,
            opts=self._child,
        )
        vpc.SecurityGroupIngressRule(
            full,
            security_group_id=self.ids[way.target],
            referenced_security_group_id=self.ids[way.source],
            ip_protocol="tcp" if way.port else "-1",
            from_port=way.port,
            to_port=way.port,
            description=way.why,
            tags=self._tags,
            opts=self._child,
        )

    def _admit(self, full: str, network: str, why: str) -> None:
        vpc.SecurityGroupIngressRule(
            full,
            security_group_id=self.ids["control"],
            cidr_ipv4=network,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            description=why,
            tags=self._tags,
            opts=self._child,
        )

    def _release(self, full: str, network: str, port: int, why: str) -> None:
        vpc.SecurityGroupEgressRule(
            full,
            security_group_id=self.ids["nodes"],
            cidr_ipv4=network,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=why,
            tags=self._tags,
            opts=self._child,
        )
