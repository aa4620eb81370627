"""Grants on buckets: which actions on which objects a workload may do."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from infra.settings import DataClass, names


class Access(StrEnum):
    """Permitted S3 actions on objects; nothing but ``replace`` deletes."""

    READ = "read"
    WRITE = "write"
    APPEND = "append"
    REPLACE = "replace"

    @property
    def actions(self) -> tuple[str, ...]:
        """The IAM actions."""
        return _ACTIONS[self]

    @property
    def writes(self) -> bool:
        """Whether objects can be created."""
        return "s3:PutObject" in self.actions


_READ = ("s3:GetObject",)
_WRITE = (*_READ, "s3:PutObject", "s3:AbortMultipartUpload")
_ACTIONS = {
    Access.READ: _READ,
    Access.WRITE: _WRITE,
    Access.APPEND: ("s3:PutObject",),
    Access.REPLACE: (*_WRITE, "s3:DeleteObject"),
}


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class BucketGrant:
    """S3 permissions on the objects below a prefix of one bucket.

    Parameters
    ----------
    data, prefix
        The bucket, by its data class, and the key prefix.
    access
        The permitted actions.
    head_bucket
        Whether the client sends HeadBucket first, a request without a prefix.
    object_lock
        Whether the client reads how long objects of the bucket are locked.
    versions
        Whether the client reads every version of an object, those behind a delete marker included.
    """

    data: DataClass
    prefix: str
    access: Access
    head_bucket: bool = False
    object_lock: bool = False
    versions: bool = False


def readers_and_writers(grants: Mapping[str, Sequence[BucketGrant]], data: DataClass) -> tuple[list[str], list[str]]:
    """Return the workloads that only read data of a class, and those that write it."""
    writes = {
        workload: any(grant.access.writes for grant in granted if grant.data is data)
        for workload, granted in grants.items()
        if any(grant.data is data for grant in granted)
    }
    readers = [workload for workload, writer in writes.items() if not writer]
    return readers, [workload for workload, writer in writes.items() if writer]


def reaches_phi(grants: Sequence[BucketGrant]) -> bool:
    """Return whether any of the permissions reaches PHI."""
    return any(names.holds_phi(grant.data) for grant in grants)
