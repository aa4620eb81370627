"""Seeded violations of the controls over records and recovery, one property at a time."""

import json
from typing import Any

from tests.policy.builders import GONE, PREFIX, build
from tests.policy.seeds.seed import Seed, absent, extra, seed

_TRAIL = "aws:cloudtrail/trail:Trail"
_GROUP = "aws:cloudwatch/logGroup:LogGroup"
_FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
_RULE = "aws:cloudwatch/eventRule:EventRule"
_TARGET = "aws:cloudwatch/eventTarget:EventTarget"
_TOPIC = "aws:sns/topic:Topic"
_TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
_SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
_FLOW_LOG = "aws:ec2/flowLog:FlowLog"
_RECORDER = "aws:cfg/recorder:Recorder"
_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
_PLAN = "aws:backup/plan:Plan"
_SELECTION = "aws:backup/selection:Selection"
_VAULT_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
_DRILL = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
_REGION = "aws:backup/regionSettings:RegionSettings"
_REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
_FOREIGN = {"destinationVaultArn": "arn:aws:backup:us-west-2:999999999999:backup-vault:v"}
_CLASS = f"aws:ResourceTag/{PREFIX}/data-class"
_MSK = "aws:msk/cluster:Cluster"
_CONFIGURATION = "aws:msk/configuration:Configuration"
_CLUSTER_GROUP = "aws:rds/clusterParameterGroup:ClusterParameterGroup"
_GROUP_OF = "aws:rds/parameterGroup:ParameterGroup"
_OTHER = "arn:aws:sns:us-east-1:123456789012:other"


def _denied(policy: str) -> str:
    document = json.loads(policy)
    document["Statement"].append({"Effect": "Deny", "Principal": "*", "Action": "sns:*", "Resource": "*"})
    return json.dumps(document)


def _of_another_account(policy: str) -> str:
    document = json.loads(policy)
    for statement in document["Statement"]:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": "210987654321"}}
    return json.dumps(document)


def _without_services(policy: str) -> str:
    document = json.loads(policy)
    document["Statement"] = [one for one in document["Statement"] if "Service" not in one["Principal"]]
    return json.dumps(document)


def _selector(**changes: Any) -> Any:
    return lambda selectors: [{**selector, **changes} for selector in selectors]


def _parameter(name: str, value: str | None) -> Any:
    """Return a change of one parameter of a group; None removes it."""

    def change(old: list[dict[str, str]]) -> list[dict[str, str]]:
        kept = [one for one in old if one["name"] != name]
        return kept if value is None else [*kept, {"name": name, "value": value}]

    return change


def _parameters(control: str, name: str, *values: str | None) -> list[Seed]:
    return [
        seed(control, kind, "parameters", _parameter(name, value))
        for kind in (_CLUSTER_GROUP, _GROUP_OF)
        for value in values
    ]


RECORDS = [
    *_parameters("ENC-07", "rds.force_ssl", "0", None),
    *_parameters("ENC-07", "ssl_min_protocol_version", "TLSv1", None),
    *_parameters("AUTH-05", "password_encryption", "md5", None),
    *_parameters("AUTH-05", "rds.accepted_password_auth_method", "md5+scram"),
    *_parameters("AUD-05", "shared_preload_libraries", "pg_stat_statements", None),
    *_parameters("AUD-05", "pgaudit.log", "ddl", "none", None),
    *_parameters("AUD-05", "log_connections", "0"),
    *_parameters("AUD-05", "log_disconnections", None),
    *_parameters("AUD-05", "pgaudit.log_parameter", "1"),
    *_parameters("AUD-05", "log_statement", "all"),
    *_parameters("AUD-05", "debug_print_plan", "1"),
    *(
        seed(control, "aws:rds/cluster:Cluster", "dbClusterParameterGroupName", "default.aurora-postgresql16")
        for control in ("ENC-07", "AUD-05", "AUTH-05")
    ),
    seed("ENC-07", "aws:rds/cluster:Cluster", "engine", "aurora-mysql"),
    *(
        seed(control, "aws:rds/clusterInstance:ClusterInstance", "dbParameterGroupName", "other")
        for control in ("ENC-07", "AUD-05", "AUTH-05")
    ),
    seed("AUTH-05", _MSK, "clientAuthentication.unauthenticated", True),
    seed("AUTH-05", _MSK, "clientAuthentication.sasl", GONE),
    seed("AUTH-05", _MSK, "configurationInfo.arn", "other"),
    seed("AUTH-05", _MSK, "configurationInfo.revision", 7, hides=False),
    seed("AUTH-05", _CONFIGURATION, "serverProperties", "auto.create.topics.enable=false"),
    seed("AUTH-05", _CONFIGURATION, "serverProperties", "allow.everyone.if.no.acl.found=false"),
    seed("AUD-05", _MSK, "loggingInfo.brokerLogs.cloudwatchLogs.enabled", False),
    seed("AUD-05", _MSK, "loggingInfo.brokerLogs.cloudwatchLogs.logGroup", "", hides=False),
    seed("AUD-01", _TRAIL, "includeGlobalServiceEvents", False),
    seed("AUD-01", _TRAIL, "s3BucketName", GONE),
    seed("AUD-01", _TRAIL, "eventSelectors", _selector(includeManagementEvents=False)).here(),
    seed("AUD-01", _TRAIL, "eventSelectors", _selector(readWriteType="ReadOnly")).here(),
    seed("AUD-01", _TRAIL, "eventSelectors", _selector(excludeManagementEventSources=["kms.amazonaws.com"])).here(),
    seed("AUD-01", _TRAIL, "eventSelectors[0].dataResources[0].type", "AWS::Lambda::Function").here(),
    seed(
        "AUD-01", _TRAIL, "eventSelectors[0].dataResources[0].values", ["arn:aws:s3:::hmlops-prod-north-raw/a"]
    ).here(),
    seed("AUD-03", _GROUP, "logGroupClass", "DELIVERY"),
    seed("AUD-01", _TRAIL, "s3BucketName", "elsewhere"),
    seed("ENC-02", _GROUP, "kmsKeyId", "arn:aws:kms:us-east-1:999999999999:key/k", hides=False),
    seed("AUD-03", _LIFECYCLE, "rules[0].expiration", {"date": "2027-01-01"}, name="*audit"),
    seed("AUD-03", _LIFECYCLE, "rules[0].filter", {"prefix": "old/"}, name="*audit", hides=False).with_(
        "rules[0].expiration", {"days": 30}
    ),
    *(
        seed("BCP-01", _PLAN, "rules[0].schedule", expression)
        for expression in (
            "cron(0 3 * * ? 2020)",
            "cron(0 3 1-30 * ? *)",
            "cron(0 3 ? * MON-FRI *)",
            "cron(0 3 * 1 ? *)",
        )
    ),
    seed("BCP-01", _PLAN, "rules[0].schedule", GONE),
    seed("AC-18", _PLAN, "rules", lambda rules: [*rules, {**rules[0], "copyActions": [_FOREIGN]}], hides=False),
    seed("BCP-01", _PLAN, "rules[0].targetVaultName", "other"),
    seed("BCP-01", _PLAN, "rules[0].completionWindow", 30).with_("rules[0].startWindow", 60),
    seed("BCP-01", _PLAN, "rules[0].copyActions[0].lifecycle", {"deleteAfter": 1}, hides=False),
    seed("BCP-01", _PLAN, "rules[0].copyActions[0].destinationVaultArn", "nothing"),
    seed("BCP-01", _SELECTION, "planId", "other"),
    seed("BCP-01", _SELECTION, "iamRoleArn", "", hides=False),
    seed("BCP-01", _SELECTION, "notResources", ["arn:aws:s3:::*"], name="b*"),
    seed("BCP-01", _SELECTION, "conditions", [{"stringNotEquals": [{"key": _CLASS, "value": "raw"}]}], name="b*"),
    seed("BCP-01", _SELECTION, "resources", ["arn:aws:s3:::other"]),
    seed("BCP-01", _SELECTION, "selectionTags", [{"type": "STRINGEQUALS", "key": "other", "value": "x"}]),
    seed("BCP-01", _VAULT_LOCK, "minRetentionDays", 365),
    seed("BCP-01", _VAULT_LOCK, "maxRetentionDays", 7),
    extra("BCP-01", build(_REGION, "x", {"resourceTypeOptInPreference": {"S3": False}})),
    seed("BCP-02", _VAULT_LOCK, "changeableForDays", GONE),
    seed("BCP-02", _VAULT_LOCK, "minRetentionDays", 1),
    seed("BCP-02", _DRILL, "scheduleExpression", "cron(0 9 1 1 ? *)"),
    seed("BCP-02", _DRILL, "recoveryPointSelection.includeVaults", []),
    seed("BCP-02", _DRILL, "recoveryPointSelection.excludeVaults", ["*"]),
    seed("BCP-02", _DRILL, "recoveryPointSelection.recoveryPointTypes", []),
    seed("BCP-03", _REPLICATION, "rules[0].filter", {"prefix": "part/"}),
    seed("BCP-03", _REPLICATION, "rules[0].prefix", "part/"),
    seed("BCP-03", _REPLICATION, "role", GONE),
    seed("BCP-03", _REPLICATION, "rules[0].filter", {"tag": {"key": "a", "value": "b"}}),
    seed("BCP-03", _REPLICATION, "rules[0].sourceSelectionCriteria", GONE),
    seed("INT-02", _LOCK, "rule.defaultRetention.days", 30, name="*audit"),
    seed("INT-02", _LOCK, "rule.defaultRetention.days", GONE, name="*models"),
    seed("AUD-04", _FLOW_LOG, "logFormat", "${srcaddr} ${dstaddr}"),
    seed("AUD-04", _FLOW_LOG, "iamRoleArn", GONE),
    seed("AUD-04", _FLOW_LOG, "logDestinationType", "s3"),
    seed("AUD-07", _RECORDER, "recordingGroup.allSupported", False),
    seed("AUD-07", _RECORDER, "recordingGroup.includeGlobalResourceTypes", False),
    seed("AUD-07", _RECORDER, "recordingGroup.resourceTypes", ["AWS::EC2::Instance"]),
    seed("AUD-07", _RECORDER, "recordingGroup.exclusionByResourceTypes", [{"resourceTypes": ["AWS::IAM::Role"]}]),
    seed(
        "AUD-07",
        _RECORDER,
        "recordingGroup.recordingStrategies",
        [{"useOnly": "INCLUSION_BY_RESOURCE_TYPES"}],
        hides=False,
    ),
    seed("AUD-07", _RECORDER, "recordingMode.recordingFrequency", "DAILY"),
    seed("AUD-07", _RECORDER, "recordingMode.recordingModeOverride", {"recordingFrequency": "DAILY"}),
    absent("AUD-07", "aws:cfg/deliveryChannel:DeliveryChannel"),
    absent("AUD-07", _FILTER),
    seed("AUD-07", _FILTER, "logGroupName", "other"),
    seed("AUD-07", _FILTER, "pattern", "{ $.eventName = Nothing }"),
    seed("AUD-07", _FILTER, "pattern", "not a pattern"),
    seed("AUD-07", _FILTER, "metricTransformation.name", "other"),
    seed("AUD-07", _FILTER, "metricTransformation.namespace", "other"),
    seed("AUD-07", _FILTER, "metricTransformation.value", "0"),
    seed("AUD-07", _FILTER, "metricTransformation.value", "$.size"),
    seed("AUD-07", _FILTER, "metricTransformation.dimensions", {"user": "$.userIdentity.arn"}),
    seed("AUD-07", _ALARM, "alarmActions", [_OTHER]),
    seed("AUD-07", _ALARM, "metricName", "other"),
    seed("AUD-07", _ALARM, "namespace", "other"),
    seed("AUD-07", _ALARM, "threshold", 1000),
    seed("AUD-07", _ALARM, "comparisonOperator", "LessThanThreshold"),
    seed("AUD-07", _ALARM, "statistic", "Minimum"),
    seed("AUD-07", _ALARM, "period", 86400),
    seed("AUD-07", _ALARM, "evaluationPeriods", 5),
    seed("AUD-07", _ALARM, "datapointsToAlarm", 2),
    seed("AUD-07", _ALARM, "dimensions", {"x": "y"}),
    seed("AUD-07", _ALARM, "unit", "Bytes"),
    seed("AUD-07", _ALARM, "metricQueries", [{"id": "m"}]),
    seed("AUD-07", _RULE, "state", "DISABLED", name="*-failed"),
    seed("AUD-07", _RULE, "isEnabled", False, name="*-failed"),
    seed("AUD-07", _RULE, "eventBusName", "other", name="*-failed"),
    seed("AUD-07", _RULE, "eventPattern", '{"source": ["aws.other"]}', name="*-failed"),
    seed("AUD-07", _TARGET, "arn", _OTHER),
    seed("AUD-07", _TARGET, "rule", "other"),
    absent("AUD-07", _TARGET),
    seed("AUD-07", _SUBSCRIPTION, "protocol", "sqs"),
    seed("AUD-07", _SUBSCRIPTION, "endpoint", ""),
    seed("AUD-07", _SUBSCRIPTION, "filterPolicy", '{"severity": ["high"]}'),
    seed("AUD-07", _SUBSCRIPTION, "topic", _OTHER),
    absent("AUD-07", _SUBSCRIPTION, "topic"),
    seed("AUD-07", _TOPIC_POLICY, "policy", _denied),
    seed("AUD-07", _TOPIC_POLICY, "policy", _of_another_account),
    seed("AUD-07", _TOPIC_POLICY, "policy", _without_services),
    absent("AUD-07", _TOPIC_POLICY),
    seed("AUD-07", "aws:kms/key:Key", "policy", _without_services, name="*alarms"),
    seed("AUD-07", _TOPIC, "kmsMasterKeyId", "alias/aws/sns"),
    seed("AUD-07", _GROUP, "logGroupClass", "INFREQUENT_ACCESS", name="*trail"),
]
