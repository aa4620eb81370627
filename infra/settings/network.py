"""Servers outside the cluster, and address ranges of the cluster."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from infra.settings.authorities import Authorities, read_authorities
from infra.settings.fields import (
    Account,
    ClusterNetwork,
    HospitalName,
    Network,
    PostgresqlUrl,
    Section,
    Text,
    Url,
    VpcId,
    VpcNetwork,
)

POSTGRESQL_PORT = 5432


def port(url: str) -> int:
    """Return the port of an https address."""
    return urlsplit(url).port or 443


def network_of(url: str, network: str | None) -> str:
    """Return the network of a server: the given one, or the address in its URL.

    Raises
    ------
    ValueError
        If neither is known.
    """
    host = urlsplit(url).hostname or ""
    if network is None and not _is_address(host):
        raise ValueError(f"has no network for the host {host}; add network, the range that it answers from")
    return network or f"{host}/32"


class Endpoint(Section):
    """Server outside the cluster."""

    url: Url = Field(description="Address of the server.")
    answers_from: Network | None = Field(
        None,
        alias="network",
        description="Network that contains the server's addresses; required where the host of `url` is a name.",
    )

    @model_validator(mode="after")
    def _has_network(self) -> Self:
        network_of(self.url, self.answers_from)
        return self

    @property
    def port(self) -> int:
        """The port of the server."""
        return port(self.url)

    @property
    def network(self) -> str:
        """The network that contains the server's addresses."""
        return network_of(self.url, self.answers_from)


class PostgresqlServer(Endpoint):
    """PostgreSQL server that the stack does not declare."""

    url: PostgresqlUrl = Field(description="Address of the server.")
    secret: Text = Field(description="Name of the secret in AWS Secrets Manager with the administrator's login.")

    @property
    def host(self) -> str:
        """The host of the server."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the server."""
        return urlsplit(self.url).port or POSTGRESQL_PORT


class Endpoints(Section):
    """Servers outside the cluster."""

    vault: Endpoint = Field(description="Vault server.")


class ExistingClusterEndpoints(Endpoints):
    """Servers outside the cluster, and the API server and AWS endpoint of an existing cluster."""

    kubernetes: Endpoint = Field(description="API server of the cluster, which is also the issuer of its tokens.")
    aws: Endpoint = Field(description="AWS APIs, as pods reach them.")
    postgresql: PostgresqlServer | None = Field(
        None, description="PostgreSQL server; without it hospitals have no databases."
    )


class Aurora(Section):
    """PostgreSQL server that the stack declares: Amazon Aurora."""

    authorities: Authorities = Field(
        description="Certificates of AWS's authorities in the region, by which pods and Vault verify the server."
    )

    @field_validator("authorities")
    @classmethod
    def _certificates(cls, file: str, info: ValidationInfo) -> str:
        # Validation gets the project's folder as its context.
        return read_authorities(Path(info.context or "."), file)


class EksEndpoints(Endpoints):
    """Servers outside the cluster, with the PostgreSQL server that the stack declares."""

    postgresql: Aurora = Field(description="PostgreSQL server of the hospitals' databases.")


class AuditDevice(Section):
    """Audit device in the configuration of the Vault server, which creates it; the stack does not."""

    name: Text = Field(description="Name of the device, the path below `sys/audit`.")
    type: Literal["file", "socket", "syslog"] = Field("file", description="Type of the device.")
    options: Mapping[Text, Text] = Field(description="Options as in the server's configuration, such as `file_path`.")


class VaultServer(Section):
    """Vault server: self-managed with two audit devices, or managed with a namespace."""

    namespace: Text | None = Field(None, description="Namespace of a managed Vault, which keeps its own audit log.")
    audit_devices: Annotated[tuple[AuditDevice, ...], Field(max_length=8)] = Field(
        (), description="All audit devices of a self-managed Vault: at least two, each on a disk of its own."
    )

    @model_validator(mode="after")
    def _audited(self) -> Self:
        if self.namespace and self.audit_devices:
            raise ValueError("has namespace and auditDevices, but a managed Vault keeps its own audit log; remove one")
        if not self.namespace and len({device.name for device in self.audit_devices}) < 2:
            raise ValueError("needs two auditDevices with different names; when one fails, the other still records")
        return self


class PeerNetwork(Section):
    """Another VPC, peered with the stack's VPC, from which administrators and hospitals connect."""

    name: HospitalName = Field(description="Name of the peer.")
    vpc: VpcId = Field(description="ID of the peer's VPC.")
    account: Account = Field(description="AWS account of the peer's VPC.")
    network: Network = Field(description="Network of the peer's VPC.")


class Networks(Section):
    """Address ranges of the cluster; networks of hospitals must not overlap them."""

    pods: ClusterNetwork = Field(description="Network of pods; on EKS a part of `vpc`.")
    services: ClusterNetwork = Field(description="Network of Services.")

    def ranges(self) -> list[tuple[str, IPv4Network]]:
        """Return the ranges that must not overlap, by name."""
        return [("networks.services", self.services), ("networks.pods", self.pods)]


class EksNetworks(Networks):
    """Address ranges of an EKS cluster and of the networks that its VPC is peered with."""

    vpc: VpcNetwork = Field(description="Network of the VPC.")
    peers: tuple[PeerNetwork, ...] = Field((), description="VPCs that are peered with the stack's VPC.")

    def ranges(self) -> list[tuple[str, IPv4Network]]:
        """Return the ranges that must not overlap, by name; pods have addresses of the VPC."""
        own = [("networks.services", self.services), ("networks.vpc", self.vpc)]
        if not self.pods.subnet_of(self.vpc):
            own.append(("networks.pods", self.pods))
        return own + [(f"the network of peer {peer.name}", IPv4Network(peer.network)) for peer in self.peers]


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
