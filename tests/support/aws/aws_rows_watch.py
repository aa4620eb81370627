"""Examples of records, alarms, queues, detectors, and of what guards buckets."""

import json

from tests.support.aws.aws_rows_world import Example

_ACCOUNT = "123456789012"
_OWNER = {"tags": {"owner": "platform"}}


def _policy(action: str, resource: str, service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _bucket(name: str, **more: bool) -> Example:
    return Example("aws:s3/bucket:Bucket", {"bucket": name, "forceDestroy": True, **more})


_COPY = {
    "id": "second-region",
    "priority": 1,
    "status": "Enabled",
    "filter": {"prefix": ""},
    "deleteMarkerReplication": {"status": "Enabled"},
    "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
    "destination": {"bucket": "{copied.arn}", "encryptionConfiguration": {"replicaKmsKeyId": "{watch_key.arn}"}},
}

EXAMPLES: dict[str, Example] = {
    "watch_key": Example("aws:kms/key:Key", {"description": "watch", "enableKeyRotation": True}),
    "log_group": Example(
        "aws:cloudwatch/logGroup:LogGroup",
        {"name": "/hmlops/test/trail", "kmsKeyId": "{watch_key.arn}", "retentionInDays": 400, **_OWNER},
        {"retentionInDays": 2192, "tags": {"owner": "security"}},
    ),
    "counted": Example(
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        {
            "name": "hmlops-root-use",
            "logGroupName": "{log_group.name}",
            "pattern": '{ $.userIdentity.type = "Root" }',
            "metricTransformation": {"name": "root-use", "namespace": "hmlops", "value": "1", "defaultValue": "0"},
        },
        {"pattern": '{ $.userIdentity.type = "AssumedRole" }'},
    ),
    "topic": Example(
        "aws:sns/topic:Topic",
        {"name": "hmlops-test-alarms", "kmsMasterKeyId": "{watch_key.arn}", **_OWNER},
        {"displayName": "alarms"},
    ),
    "topic_policy": Example(
        "aws:sns/topicPolicy:TopicPolicy",
        {"arn": "{topic.arn}", "policy": _policy("sns:Publish", "{topic.arn}", "events.amazonaws.com")},
        {"policy": _policy("sns:Publish", "{topic.arn}", "cloudwatch.amazonaws.com")},
        stays=True,
    ),
    "subscription": Example(
        "aws:sns/topicSubscription:TopicSubscription",
        {"topic": "{topic.arn}", "protocol": "email", "endpoint": "platform@hospitals.example"},
    ),
    "alarm": Example(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {
            "name": "hmlops-root-use",
            "alarmActions": ["{topic.arn}"],
            "alarmDescription": "root is for nothing that this project does",
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "evaluationPeriods": 1,
            "metricName": "root-use",
            "namespace": "hmlops",
            "period": 300,
            "statistic": "Sum",
            "threshold": 1,
            "treatMissingData": "notBreaching",
            **_OWNER,
        },
        {"threshold": 5, "tags": {"owner": "security"}},
    ),
    "event_rule": Example(
        "aws:cloudwatch/eventRule:EventRule",
        {"name": "hmlops-break-glass", "eventPattern": json.dumps({"source": ["aws.sts"]}), **_OWNER},
        {"eventPattern": json.dumps({"source": ["aws.iam"]})},
    ),
    "event_target": Example(
        "aws:cloudwatch/eventTarget:EventTarget", {"rule": "{event_rule.name}", "arn": "{topic.arn}"}
    ),
    "queue": Example(
        "aws:sqs/queue:Queue",
        {"name": "hmlops-interruptions", "kmsMasterKeyId": "{watch_key.arn}", "messageRetentionSeconds": 300, **_OWNER},
        {"messageRetentionSeconds": 600},
    ),
    "queue_policy": Example(
        "aws:sqs/queuePolicy:QueuePolicy",
        {"queueUrl": "{queue.url}", "policy": _policy("sqs:SendMessage", "{queue.arn}", "events.amazonaws.com")},
        {"policy": _policy("sqs:SendMessage", "{queue.arn}", "sns.amazonaws.com")},
        stays=True,
    ),
    "records": _bucket("hmlops-test-records", objectLockEnabled=True),
    "copied": _bucket("hmlops-test-copied"),
    "access_logs": _bucket("hmlops-test-access"),
    "access_policy": Example(
        "aws:s3/bucketPolicy:BucketPolicy",
        {
            "bucket": "{access_logs.bucket}",
            "policy": _policy("s3:PutObject", "{access_logs.arn}/*", "logging.s3.amazonaws.com"),
        },
    ),
    "versions": Example(
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "{copied.bucket}", "versioningConfiguration": {"status": "Enabled"}},
        stays=True,
    ),
    "logging": Example(
        "aws:s3/bucketLogging:BucketLogging",
        {"bucket": "{records.bucket}", "targetBucket": "{access_policy.bucket}", "targetPrefix": "records/"},
        {"targetPrefix": "other/"},
    ),
    "lock": Example(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        {"bucket": "{records.bucket}", "rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 2555}}},
        {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 3650}}},
        stays=True,
    ),
    "copier": Example("aws:iam/role:Role", {"name": "hmlops-copier", "assumeRolePolicy": _trust("s3.amazonaws.com")}),
    "replication": Example(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        {"bucket": "{records.bucket}", "role": "{copier.arn}", "rules": [_COPY]},
        {"rules": [{**_COPY, "priority": 2}]},
    ),
    "account_block": Example(
        "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
        {
            "accountId": _ACCOUNT,
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": False,
        },
        {"restrictPublicBuckets": True},
    ),
    "trail_policy": Example(
        "aws:s3/bucketPolicy:BucketPolicy",
        {
            "bucket": "{records.bucket}",
            "policy": _policy("s3:PutObject", "{records.arn}/*", "cloudtrail.amazonaws.com"),
        },
    ),
    "trail_role": Example(
        "aws:iam/role:Role", {"name": "hmlops-trail", "assumeRolePolicy": _trust("cloudtrail.amazonaws.com")}
    ),
    "trail": Example(
        "aws:cloudtrail/trail:Trail",
        {
            "name": "hmlops-test",
            "s3BucketName": "{records.bucket}",
            "cloudWatchLogsGroupArn": "{log_group.arn}:*",
            "cloudWatchLogsRoleArn": "{trail_role.arn}",
            "enableLogFileValidation": True,
            "isMultiRegionTrail": True,
            "kmsKeyId": "{watch_key.arn}",
            "advancedEventSelectors": [
                {"name": "account", "fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]},
                {
                    "name": "objects",
                    "fieldSelectors": [
                        {"field": "eventCategory", "equals": ["Data"]},
                        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
                        {"field": "resources.ARN", "startsWiths": ["arn:aws:s3:::hmlops-test-"]},
                    ],
                },
            ],
            **_OWNER,
        },
        {"enableLogging": False, "includeGlobalServiceEvents": False, "tags": {"owner": "security"}},
    ),
    "recorder_role": Example(
        "aws:iam/role:Role", {"name": "hmlops-recorder", "assumeRolePolicy": _trust("config.amazonaws.com")}
    ),
    "recorder": Example(
        "aws:cfg/recorder:Recorder",
        {
            "name": "default",
            "roleArn": "{recorder_role.arn}",
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
        },
        {"recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": False}},
    ),
    "channel": Example(
        "aws:cfg/deliveryChannel:DeliveryChannel",
        {
            "name": "{recorder.name}",
            "s3BucketName": "{records.bucket}",
            "snapshotDeliveryProperties": {"deliveryFrequency": "TwentyFour_Hours"},
        },
        {"snapshotDeliveryProperties": {"deliveryFrequency": "Six_Hours"}},
    ),
    "recording": Example(
        "aws:cfg/recorderStatus:RecorderStatus",
        {"name": "{channel.name}", "isEnabled": True},
        {"isEnabled": False},
        stays=True,
    ),
    "detector": Example(
        "aws:guardduty/detector:Detector",
        {"enable": True, "findingPublishingFrequency": "FIFTEEN_MINUTES", **_OWNER},
        {"findingPublishingFrequency": "ONE_HOUR"},
    ),
    "feature": Example(
        "aws:guardduty/detectorFeature:DetectorFeature",
        {"detectorId": "{detector.id}", "name": "S3_DATA_EVENTS", "status": "ENABLED"},
        {"status": "DISABLED"},
        stays=True,
    ),
    "other_feature": Example(
        "aws:guardduty/detectorFeature:DetectorFeature",
        {"detectorId": "{detector.id}", "name": "EKS_AUDIT_LOGS", "status": "ENABLED"},
        {"status": "DISABLED"},
        stays=True,
    ),
    "hub": Example(
        "aws:securityhub/account:Account",
        {"autoEnableControls": True, "enableDefaultStandards": False},
        {"autoEnableControls": False},
        not_emulated=True,
        stays=True,
    ),
    "standards": Example(
        "aws:securityhub/standardsSubscription:StandardsSubscription",
        {
            "standardsArn": "arn:aws:securityhub:us-east-1::standards/aws-foundational-security-best-practices/v/1.0.0",
        },
        not_emulated=True,
    ),
    "macie": Example(
        "aws:macie2/account:Account",
        {"status": "ENABLED", "findingPublishingFrequency": "FIFTEEN_MINUTES"},
        {"findingPublishingFrequency": "ONE_HOUR"},
        stays=True,
    ),
    "inspector": Example(
        "aws:inspector2/enabler:Enabler",
        {"accountIds": [_ACCOUNT], "resourceTypes": ["EC2", "ECR"]},
        stays=True,
    ),
    "analyzer": Example(
        "aws:accessanalyzer/analyzer:Analyzer",
        {"analyzerName": "hmlops-test", "type": "ACCOUNT", **_OWNER},
        not_emulated=True,
    ),
}
