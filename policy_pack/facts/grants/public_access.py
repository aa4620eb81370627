"""S3 Block Public Access: which grants to the public it cuts."""

from dataclasses import replace

from policy_pack.facts.iam.access import AwsAccess
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS
from policy_pack.stack.text import known_true

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ACCOUNT_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"


class PublicAccess:
    """The settings of S3 Block Public Access of a stack; a value that is not known yet blocks nothing."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._account = graph.of(ACCOUNT_BLOCK)

    def blocks(self, bucket: Resource, setting: str) -> bool:
        """Return whether a setting is on for a bucket: by its own block, or by that of the account."""
        own = self._graph.referrers(bucket, BLOCK, "bucket", BUCKET_KEYS)
        return any(known_true(block.at(setting)) for block in (*own, *self._account))

    def without_public(self, access: AwsAccess) -> AwsAccess:
        """Return an access of another account or without one, less what ``restrictPublicBuckets`` cuts.

        It is about policies that are public: with conditions, AWS may not count them as such, so that it cuts nothing.
        """
        target, by = access.target.resource, access.holder.caller
        if target.kind != BUCKET or by.service or not self.blocks(target, "restrictPublicBuckets"):
            return access
        left = tuple(
            one
            for one in access.allowed
            if not (one.by_resource and one.by.statement.any_principal and not one.by.statement.conditions)
        )
        return replace(access, allowed=left)
