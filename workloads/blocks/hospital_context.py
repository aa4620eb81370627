"""Context that the workloads of one hospital share: settings, cluster, pod identities, buckets, release."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.blocks.bucket import BucketRef
from infra.cluster.cluster import Cluster
from infra.settings import DataClass, Hospital, Release, Settings
from workloads.blocks.pod import Container
from workloads.blocks.pod_identity import PodIdentity
from workloads.blocks.release_metadata import ReleaseMetadata
from workloads.zones import workload_table


@dataclass(frozen=True)
class HospitalContext:
    """Context of a hospital's workloads.

    Parameters
    ----------
    settings, hospital
        The stack's settings and the hospital's entry.
    cluster
        The cluster.
    identities
        Pod identities by workload.
    buckets
        The hospital's buckets by data class.
    release_keys
        Public keys that sign its releases.
    audit_keys
        Public keys that sign the anchors of its audit chain.
    releases
        Metadata of its releases; empty without a release.
    prerequisites
        Resources that must exist before the first pod: namespaces, roles, keys and buckets.
    """

    settings: Settings
    hospital: Hospital
    cluster: Cluster
    identities: Mapping[str, PodIdentity]
    buckets: Mapping[DataClass, BucketRef]
    release_keys: pulumi.Output[str]
    audit_keys: pulumi.Output[str]
    releases: Mapping[Release, ReleaseMetadata]
    prerequisites: tuple[pulumi.Resource, ...]

    def s3_url(self, location: str, key: str = "") -> pulumi.Output[str]:
        """Return the S3 URL of a location of the workload table, or of an object in it."""
        entry = workload_table.table().locations[location]
        return pulumi.Output.concat("s3://", self.buckets[entry.data].bucket, "/", entry.prefix, key)

    def model_command(self, command: str, *args: pulumi.Input[str]) -> Container:
        """Return a container that runs a command of the model package."""
        return Container(
            name=command,
            image=self.cluster.images.workloads,
            resources=self.settings.sizes.job,
            args=["-m", "model", command, *args],
        )

    def logical_name(self, suffix: str) -> str:
        """Return a logical name in the stack."""
        return f"{self.hospital.name}-{suffix}"

    def options(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Return the options of resources that start pods."""
        return pulumi.ResourceOptions(parent=parent, depends_on=list(self.prerequisites))
