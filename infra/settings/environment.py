"""Settings of a stack that do not depend on the kind of its cluster."""

from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from infra.settings import validation
from infra.settings.fields import Account, Email, EnvironmentName, PrincipalArn, Region, Section, Text
from infra.settings.gateway import Gateway
from infra.settings.hospital import Hospital
from infra.settings.images import Images, read_images
from infra.settings.network import Endpoints, Networks, VaultServer
from infra.settings.resources import Resources, Sizes
from infra.settings.tiers import Tier, TierName, tier


class ClusterKind(StrEnum):
    """Kind of the Kubernetes cluster; independent of the tier."""

    LOCAL = "local"
    KIND = "kind"
    EKS = "eks"


class Autoscaler(StrEnum):
    """Program that adds nodes for pending pods and removes idle ones."""

    KARPENTER = "karpenter"
    CLUSTER_AUTOSCALER = "cluster-autoscaler"
    NONE = "none"


class Options(Section):
    """Optional parts of an environment."""

    nat: bool = Field(
        False, description="NAT gateway in each zone; without it nodes reach only VPC endpoints and peered networks."
    )
    macie: bool = Field(True, description="Amazon Macie, which finds patient data in buckets that should have none.")
    autoscaler: Autoscaler = Field(
        Autoscaler.KARPENTER, description="Program that adds nodes for pending pods and removes idle ones."
    )


class Environment(Section):
    """Settings of a stack, without those that each kind of cluster adds in ``infra.settings.cluster``."""

    environment: EnvironmentName = Field(description="Name of the environment; part of every bucket, key and role.")
    tier_name: TierName = Field(
        alias="tier",
        description="`development` for synthetic data, or `production`; infra/settings/tiers.yaml lists the "
        "differences with their reasons.",
    )
    cluster: ClusterKind = Field(
        ClusterKind.LOCAL,
        description="`local` (the embedded environment), `kind` (Docker) or `eks` (declared by the stack).",
    )
    account: Account = Field(description="AWS account; the stack refuses to work in another one.")
    region: Region = Field("us-east-1", description="AWS region of the stack.")
    second_region: Region = Field(description="AWS region of replicas and of copies of backups.")
    image_lock: Text = Field(
        "build/images.json", description="File that lists container images by digest; `make images` writes it."
    )
    alarms: Email = Field(description="E-mail address that is notified of alarms.")
    operators: tuple[PrincipalArn, ...] = Field(
        (),
        description="IAM roles or users that may read and write hospitals' data in addition to the workloads; only in "
        "tier `development`.",
    )
    deployer: PrincipalArn = Field(
        description="IAM role or user that runs Pulumi; on EKS it gets access to the cluster."
    )
    endpoints: Endpoints = Field(description="Servers outside the cluster.")
    networks: Networks = Field(description="Address ranges of the cluster.")
    options: Options = Field(Options(), description="Optional parts of the environment.")
    sizes: Sizes = Field(description="Container sizes.")
    gateway: Gateway | None = Field(
        None,
        description="Gateway for hospitals' EHRs, programs and people; without it no service can be called from "
        "outside the cluster. A cluster that the stack does not declare must have Envoy Gateway and cert-manager.",
    )
    vault: VaultServer = Field(description="Vault server.")
    hospitals: tuple[Hospital, ...] = Field(
        description="One entry a hospital. Values of the engine's overlay, such as the release, are part of it."
    )
    _images: Images = PrivateAttr()

    @field_validator("gateway", mode="before")
    @classmethod
    def _empty_gateway(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = list(self.faults())
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @model_validator(mode="after")
    def _read_image_lock(self, info: ValidationInfo) -> Self:
        # Validation gets the project's folder as its context.
        self._images = read_images(Path(info.context or "."), self.image_lock)
        return self

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each two settings that cannot be combined."""
        yield from validation.duplicates("hospitals", "hospital", [hospital.name for hospital in self.hospitals])
        hospitals = [(f"the network of hospital {h.name}", IPv4Network(h.network)) for h in self.hospitals if h.network]
        yield from validation.overlaps([*self.networks.ranges(), *hospitals])
        if self.region == self.second_region:
            yield f"secondRegion is {self.second_region} like region; name another one, where copies survive"
        yield from validation.shared_keys(self.environment, self.hospitals)
        yield from validation.below_tier(self.tier, self.operators, self.hospitals)
        yield from validation.unreachable(self.hospitals, gateway=self.gateway is not None)
        yield from validation.unasked(self.hospitals, gateway=self.gateway is not None)
        yield from validation.sign_in(self.hospitals, self.networks.ranges())

    @property
    def tier(self) -> Tier:
        """The tier of the environment."""
        return tier(self.tier_name)

    @property
    def images(self) -> Images:
        """The container images of the image lock file."""
        return self._images

    @property
    def working(self) -> tuple[Hospital, ...]:
        """The hospitals that are not leaving."""
        return tuple(hospital for hospital in self.hospitals if hospital.leaving is None)

    def reaches_clinic(self, hospital: Hospital) -> bool:
        """Return whether an EHR or people reach a hospital's services through its gateway."""
        return self.gateway is not None and (hospital.ehr is not None or hospital.sign_in is not None)

    def model_server(self, hospital: Hospital) -> Resources:
        """Return the resources of a hospital's model server."""
        return hospital.resources or self.sizes.model_server
