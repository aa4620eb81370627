"""Logs, detectors and alarms of the compliant stack."""

import json
from collections.abc import Mapping
from typing import Any

from policy_pack.facts.records.table import records
from policy_pack.stack.graph import Resource
from tests.policy.builders import build, document, tags
from tests.policy.world.aws import ACCOUNT, CLASSES, PLATFORM_KEY, key, key_arn, role_arn

TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
ALARMS = "security@hospitals.example"


def tls_only(action: str, resource: str) -> dict[str, Any]:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, "Condition": condition}


def alarm_topic() -> list[Resource]:
    services = {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]}
    own = {"Effect": "Allow", "Principal": services, "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}
    publish = own | {"Action": "sns:Publish", "Resource": TOPIC}
    use = own | {"Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"}
    return [
        key("alarms", statements=(use,)),
        build("aws:sns/topic:Topic", "alarms", {"arn": TOPIC, "kmsMasterKeyId": key_arn("alarms"), "tags": tags()}),
        build(
            "aws:sns/topicPolicy:TopicPolicy",
            "alarms",
            {"arn": TOPIC, "policy": document(publish, tls_only("sns:Publish", TOPIC))},
        ),
        build(
            "aws:sns/topicSubscription:TopicSubscription",
            "alarms",
            {"topic": TOPIC, "protocol": "email", "endpoint": ALARMS},
        ),
    ]


def _alarms() -> list[Resource]:
    """Return a metric filter with its alarm for each event of the record table, and a rule for each notice."""
    found = []
    for number, event in enumerate(records().alarms):
        name, metric = f"alarm-{number}", {"name": f"metric-{number}", "namespace": "alarms", "value": "1"}
        found += [
            build(
                "aws:cloudwatch/logMetricFilter:LogMetricFilter",
                name,
                {"logGroupName": "trail", "pattern": _pattern(event.record), "metricTransformation": metric},
            ),
            build(
                "aws:cloudwatch/metricAlarm:MetricAlarm",
                name,
                {
                    "namespace": "alarms",
                    "metricName": f"metric-{number}",
                    "statistic": "Sum",
                    "period": 300,
                    "evaluationPeriods": 1,
                    "threshold": event.count,
                    "comparisonOperator": "GreaterThanOrEqualToThreshold",
                    "alarmActions": [TOPIC],
                    "actionsEnabled": True,
                },
            ),
        ]
    for number, notice in enumerate(records().notices):
        name = f"notice-{number}-failed"
        detail = notice.event["detail"]
        states = {key: [value] for key, value in detail.items() if isinstance(value, str)}
        states |= {
            key: {"Severity": {"Label": [value[0]["Severity"]["Label"]]}}
            for key, value in detail.items()
            if key == "findings"
        }
        pattern = {
            "source": [notice.event["source"]],
            "detail-type": [notice.event["detail-type"]],
            **({"detail": states} if states else {}),
        }
        rule = {"name": name, "state": "ENABLED", "eventPattern": json.dumps(pattern)}
        found += [
            build("aws:cloudwatch/eventRule:EventRule", name, rule),
            build("aws:cloudwatch/eventTarget:EventTarget", name, {"rule": name, "arn": TOPIC}),
        ]
    return found


def _pattern(record: Mapping[str, Any]) -> str:
    tests = [f'($.{name} = "{value}")' for name, value in record.items() if isinstance(value, str)]
    return f"{{ {' && '.join(tests)} }}"


def watchers(hospitals: tuple[str, ...]) -> list[Resource]:
    """Return logs, detectors and alarms."""
    values = [f"arn:aws:s3:::hmlops-prod-{name}-{data}/" for name in hospitals for data in CLASSES]
    feature = "aws:guardduty/detectorFeature:DetectorFeature"
    return [
        *(
            build(
                "aws:cloudwatch/logGroup:LogGroup",
                name.strip("/").replace("/", "-"),
                {"name": name, "kmsKeyId": PLATFORM_KEY, "retentionInDays": 400, "tags": tags()},
                protect=True,
            )
            for name in ("/aws/eks/eks/cluster", "/aws/rds/cluster/warehouse/postgresql", "kafka")
        ),
        build(
            "aws:cloudwatch/logGroup:LogGroup",
            "flow",
            {"arn": "arn:logs:flow", "kmsKeyId": PLATFORM_KEY, "retentionInDays": 400, "tags": tags()},
            protect=True,
        ),
        build(
            "aws:cloudwatch/logGroup:LogGroup",
            "trail",
            {
                "arn": "arn:logs:trail",
                "name": "trail",
                "kmsKeyId": PLATFORM_KEY,
                "retentionInDays": 400,
                "tags": tags(),
            },
            protect=True,
        ),
        build(
            "aws:cloudtrail/trail:Trail",
            "trail",
            {
                "isMultiRegionTrail": True,
                "enableLogFileValidation": True,
                "kmsKeyId": PLATFORM_KEY,
                "s3BucketName": f"hmlops-prod-{hospitals[0]}-audit",
                "cloudWatchLogsGroupArn": "arn:logs:trail:*",
                "cloudWatchLogsRoleArn": role_arn("trail"),
                "enableLogging": True,
                "eventSelectors": [
                    {"readWriteType": "All", "dataResources": [{"type": "AWS::S3::Object", "values": values}]}
                ],
                "tags": tags(),
            },
        ),
        build("aws:guardduty/detector:Detector", "watch", {"id": "d-1", "enable": True}),
        *(
            build(feature, name.lower(), {"detectorId": "d-1", "name": name, "status": "ENABLED"})
            for name in ("EKS_AUDIT_LOGS", "S3_DATA_EVENTS", "RUNTIME_MONITORING")
        ),
        *_alarms(),
        build("aws:securityhub/account:Account", "hub", {}),
        *(
            build(
                "aws:securityhub/standardsSubscription:StandardsSubscription",
                standard.partition("/")[0],
                {"standardsArn": f"arn:aws:securityhub:us-east-1::standards/{standard}"},
            )
            for standard in ("aws-foundational-security-best-practices/v/1.0.0", "nist-800-53/v/5.0.0")
        ),
        build("aws:accessanalyzer/analyzer:Analyzer", "watch", {"type": "ACCOUNT", "tags": tags()}),
        build("aws:macie2/account:Account", "watch", {"status": "ENABLED"}),
        build(
            "aws:cfg/recorder:Recorder",
            "recorder",
            {
                "name": "default",
                "roleArn": role_arn("x"),
                "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
            },
        ),
        build(
            "aws:cfg/deliveryChannel:DeliveryChannel",
            "recorder",
            {
                "s3BucketName": f"hmlops-prod-{hospitals[0]}-audit",
                "snapshotDeliveryProperties": {"deliveryFrequency": "TwentyFour_Hours"},
            },
        ),
        build("aws:cfg/recorderStatus:RecorderStatus", "recorder", {"name": "default", "isEnabled": True}),
    ]
