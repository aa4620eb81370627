"""What watches the account: log groups, trails, detectors and alarms."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.blocks import log_group
from infra.blocks.log_group import LogGroup, LogGroupArgs
from infra.blocks.providers import aws_account
from infra.monitoring.account_monitoring import AccountMonitoring, AccountMonitoringArgs
from infra.monitoring.alarms import table
from infra.monitoring.threat_detection import ThreatDetection, ThreatDetectionArgs
from infra.settings import DataClass, Settings, names
from infra.storage.backup_role import BackupRole
from tests.support.stack.mocked_stack import Declared, Stack, declared, settings

STACKS = ("dev", "prod")


@pytest.fixture(scope="module", params=STACKS)
def chosen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def watch(chosen: Settings) -> Stack:
    def program() -> None:
        AccountMonitoring("watch", AccountMonitoringArgs(chosen, aws_account(chosen), BackupRole("backup", chosen)))

    return declared(program, chosen.environment)


def test_a_log_group_has_a_key_and_stays_a_year(chosen: Settings) -> None:
    stack = declared(lambda: LogGroup("flow", LogGroupArgs(chosen, "/hmlops/x/flow", "arn:key")), chosen.environment)
    [group] = stack.of("LogGroup")
    assert group.inputs["name"] == "/hmlops/x/flow"
    assert group.inputs["kmsKeyId"] == "arn:key"
    assert group.inputs["retentionInDays"] >= 365
    assert group.inputs["tags"]["healthcare-mlops/phi"] == "false"


def test_records_stay_six_years_in_a_term_that_cloudwatch_knows() -> None:
    assert log_group.AUDIT_LOG_DAYS >= 6 * 365
    known = {365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
    assert {log_group.DEFAULT_DAYS, log_group.AUDIT_LOG_DAYS} <= known


def test_alarms_go_to_one_encrypted_topic_that_somebody_hears(watch: Stack, chosen: Settings) -> None:
    [topic] = watch.of("Topic")
    assert "watch-alarms" in topic.inputs["kmsMasterKeyId"]
    [heard] = watch.of("TopicSubscription")
    assert (heard.inputs["protocol"], heard.inputs["endpoint"]) == ("email", chosen.alarms)
    [policy] = watch.of("TopicPolicy")
    allowed, denied = json.loads(policy.inputs["policy"])["Statement"]
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": chosen.account}}
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_access_logs_have_a_bucket_in_each_region_that_s3_can_deliver_to(watch: Stack, chosen: Settings) -> None:
    buckets = [bucket for bucket in watch.of("Bucket") if "access-logs" in bucket.inputs.get("bucket", "")]
    assert len(buckets) == (2 if chosen.tier.replicate else 1)
    for bucket in buckets:
        assert bucket.inputs["tags"]["healthcare-mlops/data-class"] == "access-logs"
        assert not bucket.inputs.get("objectLockEnabled")
        [policy] = [made for made in watch.of("BucketPolicy") if made.name == bucket.name]
        delivering = [s for s in json.loads(policy.inputs["policy"])["Statement"] if s["Effect"] == "Allow"]
        assert {s["Principal"]["Service"] for s in delivering} == {"logging.s3.amazonaws.com"}


def _named(stack: Stack, kind: str, part: str) -> Declared:
    [found] = [one for one in stack.of(kind) if one.custom and part in str(one.inputs)]
    return found


def test_one_trail_records_every_region_and_every_object(watch: Stack, chosen: Settings) -> None:
    [trail] = [one for one in watch.of("Trail") if one.custom]
    for switch in ("isMultiRegionTrail", "enableLogFileValidation", "enableLogging", "includeGlobalServiceEvents"):
        assert trail.inputs[switch] is True
    assert trail.inputs["cloudWatchLogsGroupArn"].endswith(":*")
    # Files of the trail go in by the key of their bucket, as the bucket takes no other.
    sse = _named(watch, "BucketServerSideEncryptionConfiguration", f"-{chosen.environment}-shared-audit'")
    [rule] = sse.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"] == trail.inputs["kmsKeyId"]
    kinds = {
        next(iter(f["equals"])): {g["field"]: g for g in selector["fieldSelectors"]}
        for selector in trail.inputs["advancedEventSelectors"]
        for f in selector["fieldSelectors"]
        if f["field"] == "eventCategory"
    }
    assert kinds.keys() == {"Management", "Data"}
    [start] = kinds["Data"]["resources.ARN"]["startsWiths"]
    assert f"arn:aws:s3:::{names.bucket(chosen.environment, 'north', DataClass.RAW)}/".startswith(start)


def test_the_trail_is_written_by_a_role_that_it_alone_takes(watch: Stack, chosen: Settings) -> None:
    [trail] = [one for one in watch.of("Trail") if one.custom]
    role = _named(watch, "Role", "-shared-trail")
    [trust] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    own = f"arn:aws:cloudtrail:{chosen.region}:{chosen.account}:trail/{trail.inputs['name']}"
    assert trust["Condition"] == {"ArnEquals": {"aws:SourceArn": own}}


def test_records_are_locked_and_copied_where_the_tier_says_so(watch: Stack, chosen: Settings) -> None:
    audit = [b for b in watch.of("Bucket") if "-shared-audit" in b.inputs.get("bucket", "")]
    assert len(audit) == (2 if chosen.tier.replicate else 1)
    assert all(bool(bucket.inputs.get("objectLockEnabled")) is chosen.tier.lock_records for bucket in audit)
    copied = [one for one in watch.resources if one.kind == "BucketReplicationConfig"]
    assert len(copied) == (1 if chosen.tier.replicate else 0)


def test_the_recorder_runs_into_a_bucket_that_config_can_write_to(watch: Stack) -> None:
    [recorder] = [one for one in watch.of("Recorder") if one.custom]
    assert recorder.inputs["recordingGroup"] == {"allSupported": True, "includeGlobalResourceTypes": True}
    [status] = watch.of("RecorderStatus")
    assert status.inputs["isEnabled"] is True
    [channel] = watch.of("DeliveryChannel")
    assert channel.inputs["s3KmsKeyArn"]
    [bucket] = [b for b in watch.of("Bucket") if b.inputs.get("bucket") == channel.inputs["s3BucketName"]]
    assert not bucket.inputs.get("objectLockEnabled")


def test_detectors_look_in_each_region_that_holds_data(watch: Stack, chosen: Settings) -> None:
    regions = 2 if chosen.tier.replicate else 1
    for kind in ("Detector", "Enabler", "Analyzer"):
        assert len([one for one in watch.of(kind) if one.custom]) == regions
    features = watch.of("DetectorFeature")
    assert len(features) == regions * len({feature.inputs["name"] for feature in features})
    [runtime] = [f for f in features if f.name == "watch-runtime-monitoring"]
    assert runtime.inputs["additionalConfigurations"] == [{"name": "EKS_ADDON_MANAGEMENT", "status": "ENABLED"}]
    # Each region's own standards.
    standards = {s.inputs["standardsArn"].split(":")[3] for s in watch.of("StandardsSubscription")}
    assert len(standards) == regions


def test_macie_looks_where_the_option_is_set(tmp_path: Path) -> None:
    def without(config: dict[str, Any]) -> None:
        config["options"]["macie"] = False

    for change, expected in ((None, 1), (without, 0)):
        chosen = settings("dev", tmp_path, change)
        args = ThreatDetectionArgs(chosen, chosen.region)
        stack = declared(partial(ThreatDetection, "d", args), "dev")
        assert len([one for one in stack.resources if one.type.startswith("aws:macie2")]) == expected


def test_every_row_is_a_filter_with_an_alarm_or_a_rule_with_a_target(watch: Stack, chosen: Settings) -> None:
    [topic] = watch.of("Topic")
    filters = {one.inputs["metricTransformation"]["name"]: one for one in watch.of("LogMetricFilter")}
    alarms = {one.inputs["metricName"]: one for one in watch.of("MetricAlarm")}
    assert filters.keys() == alarms.keys() == table().metric_filters.keys()
    group = _named(watch, "LogGroup", "/trail").inputs["name"]
    for row, alarm in alarms.items():
        assert alarm.inputs["alarmActions"] == [f"arn:aws:sns:us-east-1:123456789012:{topic.inputs['name']}"]
        assert alarm.inputs["namespace"] == filters[row].inputs["metricTransformation"]["namespace"]
        assert filters[row].inputs["logGroupName"] == group
    assert len(watch.of("EventRule")) == len(watch.of("EventTarget")) == len(table().event_rules)
    role = names.role(chosen.environment, names.SHARED, names.BREAK_GLASS)
    assert f"role/{role}" in filters["break-glass"].inputs["pattern"]
    rule = json.loads(_named(watch, "EventRule", "AssumeRole").inputs["eventPattern"])
    assert rule["detail"]["requestParameters"]["roleArn"] == [f"arn:aws:iam::{chosen.account}:role/{role}"]


def test_the_account_refuses_short_passwords_and_public_buckets(watch: Stack, chosen: Settings) -> None:
    [policy] = watch.of("AccountPasswordPolicy")
    assert policy.inputs["minimumPasswordLength"] >= 14
    [block] = watch.of("AccountPublicAccessBlock")
    assert block.inputs["accountId"] == chosen.account
    assert [value for value in block.inputs.values() if isinstance(value, bool)] == [True] * 4
