"""Row of the aws plugin for S3 lifecycle configurations."""

from typing import Any, Final

from local.plugins.aws.aws_api import Cloud, found, mapping, pairs
from local.plugins.aws_data.s3 import setting
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row

_LISTS: Final = {"transitions": "Transitions", "noncurrentVersionTransitions": "NoncurrentVersionTransitions"}
_SPECIAL: Final = {"id": "ID", "and": "And", "tags": "Tags"}


def _sent(value: Any) -> Any:
    """Return a lifecycle rule in the API's form."""
    if isinstance(value, list):
        return [_sent(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_SPECIAL.get(k, k[:1].upper() + k[1:]): pairs(v) if k == "tags" else _sent(v) for k, v in value.items()}


def _shown(value: Any) -> Any:
    """Return a lifecycle rule in the official provider's form."""
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if not isinstance(value, dict):
        return value.isoformat() if hasattr(value, "isoformat") else value
    spelled = {theirs: ours for ours, theirs in _SPECIAL.items()}
    return {spelled.get(k, k[:1].lower() + k[1:]): mapping(v) if k == "Tags" else _shown(v) for k, v in value.items()}


def _put_lifecycle(cloud: Cloud, bucket: str, inputs: Props) -> None:
    rules = _sent(inputs["rules"])
    for rule in rules:
        if "Filter" not in rule and "Prefix" not in rule:
            rule["Filter"] = {"Prefix": ""}
    cloud.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _show_lifecycle(cloud: Cloud, bucket: str, _inputs: Props) -> Props | None:
    live = found(cloud.s3.get_bucket_lifecycle_configuration, Bucket=bucket)
    if live is None:
        return None
    return {"rules": _shown(live["Rules"]), "transitionDefaultMinimumObjectSize": "all_storage_classes_128K"}


def _rule_meaning(rules: Any) -> Any:
    """Return lifecycle rules without empty filters and zero values."""
    if isinstance(rules, dict):
        bare = {name: _rule_meaning(item) for name, item in rules.items()}
        return {name: item for name, item in bare.items() if item not in ("", None, 0, {}, [])}
    return [_rule_meaning(item) for item in rules] if isinstance(rules, list) else rules


ROWS: Final[tuple[Row[Cloud], ...]] = (
    setting(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        _put_lifecycle,
        _show_lifecycle,
        lambda cloud, bucket: cloud.s3.delete_bucket_lifecycle(Bucket=bucket),
        required=("rules",),
        normalisers={"rules": _rule_meaning},
    ),
)
