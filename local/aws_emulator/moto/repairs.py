"""Corrections of moto where a deployment would notice a difference from AWS."""

import json
from fnmatch import fnmatchcase
from typing import Any

from moto.backup.models import BackupBackend
from moto.core.responses import ActionResult
from moto.guardduty.models import Detector
from moto.logs.metric_filters import MetricFilters
from moto.s3.exceptions import ReplicationConfigurationNotFoundError
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.s3.responses import S3Response

from local.aws_emulator.moto import databases, streaming

_LOG_DELIVERY = "logging.s3.amazonaws.com"


_delete_plan = BackupBackend.delete_backup_plan


def _delete_plan_for_good(self: Any, backup_plan_id: str) -> Any:
    """Delete a backup plan, which moto would otherwise still return, with its name still in use."""
    answer = _delete_plan(self, backup_plan_id)
    del self.plans[backup_plan_id]
    return answer


_update_detector = Detector.update


def _update_features(self: Any, enable: Any, frequency: Any, sources: Any, features: Any) -> None:
    """Update the given features of a detector, and keep the others."""
    if features is not None:
        named = {feature["name"]: feature for feature in features}
        features = [*(kept for kept in self.features if kept["name"] not in named), *named.values()]
    _update_detector(self, enable, frequency, sources, features)


_add_filter = MetricFilters.add_filter


def _put_filter(self: Any, filter_name: str, filter_pattern: str, log_group_name: str, *rest: Any) -> None:
    """Put a metric filter, replacing one with the same name."""
    same = {"filterName": filter_name, "logGroupName": log_group_name}
    self.metric_filters = [kept for kept in self.metric_filters if not same.items() <= kept.items()]
    _add_filter(self, filter_name, filter_pattern, log_group_name, *rest)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _lets_logs_in(target_bucket: Any, target_prefix: str | None) -> bool:
    """Return whether a bucket policy allows S3 log delivery, in any form of principals and resources."""
    policy = json.loads(target_bucket.policy.decode()) if target_bucket.policy else {}
    place = f"arn:{target_bucket.partition}:s3:::{target_bucket.name}/{target_prefix or ''}x"
    for statement in _listed(policy.get("Statement", [])):
        principal = statement.get("Principal")
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        lets = statement.get("Effect") == "Allow" and _LOG_DELIVERY in _listed(named)
        writes = any(fnmatchcase("s3:PutObject", action) for action in _listed(statement.get("Action", [])))
        if lets and writes and any(fnmatchcase(place, where) for where in _listed(statement.get("Resource", []))):
            return True
    return False


def _told_replication(self: Any) -> Any:
    """Return the replication rules as written, since moto omits elements that it does not use."""
    self.data["Action"] = "GetBucketReplication"
    kept = self.backend.get_bucket_replication(self.bucket_name)
    if not kept:
        raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
    rules = [{**rule, "Filter": {"Prefix": (rule.get("Filter") or {}).get("Prefix") or ""}} for rule in kept["Rule"]]
    return self.serialized(ActionResult({"ReplicationConfiguration": {"Role": kept["Role"], "Rules": rules}}))


def _dispose(_self: Any, garbage: bool = False) -> None:
    """Free nothing: a delete marker has no content, and moto frees each version of a key when versioning is off."""


# Object, attribute name, replacement.
REPAIRS: tuple[tuple[Any, str, Any], ...] = (
    *databases.REPAIRS,
    *streaming.REPAIRS,
    (BackupBackend, "delete_backup_plan", _delete_plan_for_good),
    (Detector, "update", _update_features),
    (MetricFilters, "add_filter", _put_filter),
    (S3Response, "get_bucket_replication", _told_replication),
    (FakeDeleteMarker, "dispose", _dispose),
    (FakeBucket, "_log_permissions_enabled_policy", staticmethod(_lets_logs_in)),
)
