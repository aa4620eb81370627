"""Buckets that hold records, by what delivers to them: trails, AWS Config, flow logs and access logs."""

from collections.abc import Mapping
from typing import Final

from policy_pack.facts.records.trail import TRAIL
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_LOGGING, LOAD_BALANCERS

CHANNEL: Final = "aws:cfg/deliveryChannel:DeliveryChannel"
FLOW_LOG: Final = "aws:ec2/flowLog:FlowLog"
_SOURCES: Final = (
    (TRAIL, "s3BucketName", BUCKET_KEYS, "CloudTrail"),
    (CHANNEL, "s3BucketName", BUCKET_KEYS, "AWS Config"),
    (FLOW_LOG, "logDestination", ("arn",), "flow log"),
    (BUCKET_LOGGING, "targetBucket", BUCKET_KEYS, "access log"),
    *((kind, "accessLogs.bucket", BUCKET_KEYS, "access log") for kind in LOAD_BALANCERS),
)


def record_buckets(graph: Graph) -> Mapping[str, str]:
    """Return what delivers records to each bucket, by the bucket's URN, computed once."""
    buckets: dict[str, str] = graph.memo("record buckets", _buckets)
    return buckets


def _buckets(graph: Graph) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, path, keys, what in _SOURCES:
        for source in graph.of(kind):
            bucket = _bucket(graph, source, path, keys)
            if bucket:
                found.setdefault(bucket.urn, what)
    return found


def _bucket(graph: Graph, source: Resource, path: str, keys: tuple[str, ...]) -> Resource | None:
    return graph.target(source, path, (BUCKET,), keys)
