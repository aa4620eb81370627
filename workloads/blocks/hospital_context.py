"""What every workload of one hospital is built from."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import Stored
from infra.cluster.cluster import Cluster
from infra.settings.values import DataClass, Hospital, Settings
from workloads.blocks.pod import Account, Program
from workloads.blocks.release_metadata import Papers


@dataclass(frozen=True)
class Site:
    """One hospital's place in the environment.

    Parameters
    ----------
    settings, hospital
        The environment and the hospital's entry.
    cluster
        Where pods run.
    accounts
        Who each workload is.
    stored
        The hospital's buckets.
    release_keys
        The public keys that sign its releases.
    papers
        What the release that it serves says of itself.
    ground
        What must stand before the first pod starts: closed zones, roles, keys and buckets.
    """

    settings: Settings
    hospital: Hospital
    cluster: Cluster
    accounts: Mapping[str, Account]
    stored: Mapping[DataClass, Stored]
    release_keys: pulumi.Output[str]
    papers: Papers | None
    ground: tuple[pulumi.Resource, ...]

    def place(self, data: DataClass, prefix: str) -> pulumi.Output[str]:
        """Return the address of a prefix in one of the hospital's buckets."""
        return pulumi.Output.concat("s3://", self.stored[data].bucket, "/", prefix)

    def step(self, command: str, *args: pulumi.Input[str]) -> Program:
        """Return one step of the pipeline: a command of the model package."""
        return Program(
            name=command,
            image=self.settings.images.workloads,
            resources=self.settings.sizes.job,
            args=["-m", "model", command, *args],
        )

    def name(self, suffix: str) -> str:
        """Return a resource name within the stack."""
        return f"{self.hospital.name}-{suffix}"

    def after_ground(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Return options of what starts pods."""
        return pulumi.ResourceOptions(parent=parent, depends_on=list(self.ground))
