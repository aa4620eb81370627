"""Settings of a stack by the kind of its cluster: each type requires what its kind needs."""

from collections.abc import Iterator
from typing import Literal

from infra.settings import validation
from infra.settings.environment import ClusterKind, Environment
from infra.settings.network import EksEndpoints, EksNetworks, ExistingClusterEndpoints, Networks


class ExistingClusterSettings(Environment):
    """Settings of a stack on an existing cluster, with its API server and the AWS endpoint of its pods."""

    cluster: Literal[ClusterKind.LOCAL, ClusterKind.KIND] = ClusterKind.LOCAL
    endpoints: ExistingClusterEndpoints
    networks: Networks = Networks(pods="10.245.0.0/16", services="10.97.0.0/16")


class EksSettings(Environment):
    """Settings of a stack that declares an EKS cluster, with its VPC."""

    cluster: Literal[ClusterKind.EKS]
    endpoints: EksEndpoints
    networks: EksNetworks

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each two settings that cannot be combined."""
        yield from validation.duplicates("networks.peers", "peer", [peer.name for peer in self.networks.peers])
        yield from super().faults()


Settings = ExistingClusterSettings | EksSettings
KINDS: dict[str, type[ExistingClusterSettings] | type[EksSettings]] = {
    ClusterKind.LOCAL: ExistingClusterSettings,
    ClusterKind.KIND: ExistingClusterSettings,
    ClusterKind.EKS: EksSettings,
}
