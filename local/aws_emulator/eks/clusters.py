"""EKS clusters of the emulator: the embedded cluster's endpoint, and authentication settings that moto lacks."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from moto.ec2.models import ec2_backends
from moto.eks.models import eks_backends

from local.aws_emulator.messages import ACCOUNT, AwsError

# In this order: a cluster's authentication mode cannot be changed back.
MODES: Final = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")


@dataclass(frozen=True)
class Face:
    """Endpoint of the embedded cluster, used for all EKS clusters: address, CA and token issuer."""

    endpoint: str
    authority: Path
    issuer: str


@dataclass
class AccessEntry:
    """EKS access entry: an IAM principal with access to a cluster."""

    principal: str
    arn: str
    username: str
    groups: list[str]
    tags: dict[str, str]
    created: float
    modified: float
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Cluster:
    """EKS cluster: authentication mode and access entries."""

    name: str
    region: str
    mode: str
    bootstrap: bool
    security_group: str
    entries: dict[str, AccessEntry] = field(default_factory=dict)


class Clusters:
    """Registry of EKS clusters by region and name, in step with moto's clusters.

    Parameters
    ----------
    face
        Endpoint of the embedded cluster; without it, no cluster can be created.
    """

    def __init__(self, face: Face | None) -> None:
        self._face = face
        self._known: dict[tuple[str, str], Cluster] = {}

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self._known.values())

    def get(self, region: str, name: str) -> Cluster:
        """Return a cluster.

        Raises
        ------
        AwsError
            When there is none of that name.
        """
        cluster = self._known.get((region, name))
        if cluster is None:
            raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
        return cluster

    def vpc(self, region: str, asked: Mapping[str, Any]) -> str:
        """Return the VPC of the subnets that a new cluster asks for.

        Raises
        ------
        AwsError
            When a subnet does not exist, or none is named, or no cluster can stand for a new one.
        """
        if self._face is None:
            raise AwsError("NotEmulated", "Not emulated: EKS clusters, without a cluster that stands for them", 501)
        subnets = (asked.get("resourcesVpcConfig") or {}).get("subnetIds") or []
        zones = ec2_backends[ACCOUNT][region].subnets.values()
        vpc_by_subnet = {name: subnet.vpc_id for zone in zones for name, subnet in zone.items()}
        if not subnets or not set(subnets) <= set(vpc_by_subnet):
            raise AwsError("InvalidParameterException", f"The subnets {subnets} do not all exist", 400)
        return str(vpc_by_subnet[subnets[0]])

    def adopt(self, region: str, name: str, vpc: str, asked: Mapping[str, Any]) -> Cluster:
        """Complete a cluster that moto has just created with the settings of the request."""
        access = asked.get("accessConfig") or {}
        moto_cluster = _moto(region, name)
        ec2 = ec2_backends[ACCOUNT][region]
        group = ec2.create_security_group(f"eks-cluster-sg-{name}", f"EKS cluster {name}", vpc_id=vpc).id
        network = {"endpointPublicAccess": True, "endpointPrivateAccess": False, **moto_cluster.resources_vpc_config}
        network.setdefault("publicAccessCidrs", ["0.0.0.0/0"] if network["endpointPublicAccess"] else [])
        moto_cluster.resources_vpc_config = {**network, "vpcId": vpc, "clusterSecurityGroupId": group}
        if self._face is not None:
            moto_cluster.endpoint = self._face.endpoint
            moto_cluster.certificate_authority = {"data": b64encode(self._face.authority.read_bytes()).decode()}
            moto_cluster.identity = {"oidc": {"issuer": self._face.issuer}}
        moto_cluster.upgrade_policy = asked.get("upgradePolicy") or {"supportType": "EXTENDED"}
        moto_cluster.deletion_protection = bool(asked.get("deletionProtection"))
        cluster = Cluster(
            name=name,
            region=region,
            mode=access.get("authenticationMode", MODES[0]),
            bootstrap=access.get("bootstrapClusterCreatorAdminPermissions", True),
            security_group=group,
        )
        self._known[region, name] = cluster
        _show_access(cluster)
        return cluster

    def change(self, cluster: Cluster, before: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        """Complete an update by moto with the settings of the request; moto treats part of a setting as the whole."""
        moto_cluster = _moto(cluster.region, cluster.name)
        moto_cluster.resources_vpc_config = {**before, **moto_cluster.resources_vpc_config}
        moto_cluster.upgrade_policy = asked.get("upgradePolicy") or moto_cluster.upgrade_policy
        moto_cluster.deletion_protection = asked.get("deletionProtection", moto_cluster.deletion_protection)
        if asked.get("accessConfig"):
            cluster.mode = asked["accessConfig"]["authenticationMode"]
            _show_access(cluster)

    def set_version(self, cluster: Cluster, version: str) -> None:
        """Upgrade a cluster."""
        _moto(cluster.region, cluster.name).version = version

    def network(self, cluster: Cluster) -> dict[str, Any]:
        """Return the network settings of a cluster."""
        return dict(_moto(cluster.region, cluster.name).resources_vpc_config)

    def is_protected(self, cluster: Cluster) -> bool:
        """Return whether a cluster's deletion protection is on."""
        return bool(_moto(cluster.region, cluster.name).deletion_protection)

    def forget(self, cluster: Cluster) -> None:
        """Remove a cluster that moto has just deleted, with its security group."""
        del self._known[cluster.region, cluster.name]
        ec2_backends[ACCOUNT][cluster.region].delete_security_group(group_id=cluster.security_group)


def _moto(region: str, name: str) -> Any:
    return eks_backends[ACCOUNT][region].clusters[name]


def _show_access(cluster: Cluster) -> None:
    _moto(cluster.region, cluster.name).access_config = {
        "authenticationMode": cluster.mode,
        "bootstrapClusterCreatorAdminPermissions": cluster.bootstrap,
    }
