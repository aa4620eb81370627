"""What watches the account: log groups, trails, detectors and alarms."""

import json

import pytest

from infra import logs
from infra.account import account
from infra.logs import Logs, LogsArgs
from infra.settings import Settings
from infra.watch import Watch, WatchArgs
from tests.unit.mocked_stack import Stack, declared, settings

STACKS = ("dev", "prod")


@pytest.fixture(scope="module", params=STACKS)
def chosen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def watch(chosen: Settings) -> Stack:
    return declared(lambda: Watch("watch", WatchArgs(chosen, account(chosen))), chosen.environment)


def test_a_log_group_has_a_key_and_stays_a_year(chosen: Settings) -> None:
    stack = declared(lambda: Logs("flow", LogsArgs(chosen, "/hmlops/x/flow", "arn:key")), chosen.environment)
    [group] = stack.of("LogGroup")
    assert group.inputs["name"] == "/hmlops/x/flow"
    assert group.inputs["kmsKeyId"] == "arn:key"
    assert group.inputs["retentionInDays"] >= 365
    assert group.inputs["tags"]["healthcare-mlops/phi"] == "false"


def test_records_stay_six_years_in_a_term_that_cloudwatch_knows() -> None:
    assert logs.RECORD_DAYS >= 6 * 365
    known = {365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
    assert {logs.AT_HAND_DAYS, logs.RECORD_DAYS} <= known


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
