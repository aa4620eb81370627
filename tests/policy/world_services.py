"""The AWS services of the compliant stack: EKS, data stores, monitoring and backups."""

import json
from collections.abc import Mapping
from typing import Any

from policy_pack.facts.records.table import records
from policy_pack.stack.graph import Resource
from tests.policy.builders import build, document, tags
from tests.policy.world_aws import ACCOUNT, CLASSES, REGION, key, key_arn, role_arn

_KEY = key_arn("platform")
_PARAMETERS = {
    "rds.force_ssl": "1",
    "ssl_min_protocol_version": "TLSv1.2",
    "password_encryption": "scram-sha-256",
    "shared_preload_libraries": "pg_stat_statements,pgaudit",
    "pgaudit.log": "ddl,role,read,write",
    "log_connections": "1",
    "log_disconnections": "1",
}
_QUEUE = "arn:aws:sqs:us-east-1:123456789012:work"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
ALARMS = "security@hospitals.example"
_NO_STRANGERS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "ecr:*",
    "Condition": {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}},
}
_LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


def cluster() -> list[Resource]:
    """Return the cluster and its nodes."""
    ebs = {"encrypted": True, "kmsKeyId": _KEY}
    return [
        key("platform"),
        build(
            "aws:eks/cluster:Cluster",
            "eks",
            {
                "name": "eks",
                "version": "1.34",
                "vpcConfig": {"endpointPublicAccess": False},
                "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": _KEY}},
                "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
                "enabledClusterLogTypes": _LOGS,
                "tags": tags(),
            },
            protect=True,
        ),
        build(
            "aws:ec2/launchTemplate:LaunchTemplate",
            "nodes",
            {
                "id": "lt-1",
                "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": ebs}],
                "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
                "networkInterfaces": [{"associatePublicIpAddress": "false"}],
            },
        ),
        build(
            "aws:eks/nodeGroup:NodeGroup", "nodes", {"launchTemplate": {"id": "lt-1", "version": "1"}, "tags": tags()}
        ),
        build("aws:eks/addon:Addon", "vpc-cni", {"addonVersion": "v1.20.1-eksbuild.1"}),
        build(
            "aws:eks/accessEntry:AccessEntry",
            "readers",
            {"principalArn": role_arn("reader"), "kubernetesGroups": ["readers"]},
        ),
        build(
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            "break-glass",
            {
                "principalArn": role_arn("break-glass"),
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                "accessScope": {"type": "cluster"},
            },
        ),
        build("aws:ebs/volume:Volume", "scratch", ebs | {"tags": tags("shared", "models", backup="daily")}),
        build(
            "aws:ec2/instance:Instance",
            "bastion",
            {
                "associatePublicIpAddress": False,
                "rootBlockDevice": dict(ebs),
                "ebsBlockDevices": [dict(ebs)],
                "iamInstanceProfile": "bastion",
                "tags": tags("shared", "models", backup="daily"),
            },
        ),
        build("aws:iam/instanceProfile:InstanceProfile", "bastion", {"name": "bastion", "role": "bastion"}),
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "bastion",
            {"role": "bastion", "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
        ),
        build(
            "aws:autoscaling/group:Group",
            "relay",
            {"targetGroupArns": ["arn:target"], "healthCheckType": "ELB", "tags": []},
        ),
        build("aws:ebs/encryptionByDefault:EncryptionByDefault", "volumes", {"enabled": True}),
        build("aws:ebs/defaultKmsKey:DefaultKmsKey", "volumes", {"keyArn": _KEY}),
        build(
            "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration", "registry", {"scanType": "ENHANCED"}
        ),
        build("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "all", {"state": "block-all-sharing"}),
        build(
            "aws:ssm/document:Document",
            "sessions",
            {"documentType": "Session", "permissions": {"type": "Share", "account_ids": "123456789012"}},
        ),
    ]


def stores() -> list[Resource]:
    """Return repositories, secrets, queues, databases and streams."""
    database = {
        "arn": "arn:aws:rds:us-east-1:1:db:x",
        "storageEncrypted": True,
        "kmsKeyId": _KEY,
        "deletionProtection": True,
        "backupRetentionPeriod": 14,
        "enabledCloudwatchLogsExports": ["postgresql"],
        "tags": tags("shared", "curated", phi="true", backup="daily"),
    }
    parameters = {"parameters": [{"name": name, "value": value} for name, value in _PARAMETERS.items()]}
    machine = {"monitoringInterval": 60, "publiclyAccessible": False, "autoMinorVersionUpgrade": True}
    return [
        build(
            "aws:ecr/repository:Repository",
            "workloads",
            {
                "name": "workloads",
                "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": _KEY}],
                "imageScanningConfiguration": {"scanOnPush": True},
                "imageTagMutability": "IMMUTABLE",
                "tags": tags(),
            },
        ),
        build(
            "aws:ecr/repositoryPolicy:RepositoryPolicy",
            "workloads",
            {"repository": "workloads", "policy": document(_NO_STRANGERS)},
        ),
        build("aws:secretsmanager/secret:Secret", "fhir", {"kmsKeyId": _KEY, "tags": tags()}),
        *_alarm_topic(),
        build("aws:sqs/queue:Queue", "work", {"arn": _QUEUE, "url": "work", "kmsMasterKeyId": _KEY, "tags": tags()}),
        build(
            "aws:sqs/queuePolicy:QueuePolicy", "work", {"queueUrl": "work", "policy": document(_tls("sqs:*", _QUEUE))}
        ),
        build("aws:rds/clusterParameterGroup:ClusterParameterGroup", "warehouse", {"name": "warehouse"} | parameters),
        build("aws:rds/parameterGroup:ParameterGroup", "worklist", {"name": "worklist"} | parameters),
        build(
            "aws:rds/cluster:Cluster",
            "warehouse",
            database | {"clusterIdentifier": "warehouse", "dbClusterParameterGroupName": "warehouse"},
            protect=True,
        ),
        *(
            build(
                "aws:rds/clusterInstance:ClusterInstance",
                f"warehouse-{zone}",
                {"clusterIdentifier": "warehouse", "availabilityZone": f"{REGION}{zone}", **machine},
            )
            for zone in ("a", "b")
        ),
        build(
            "aws:rds/instance:Instance",
            "worklist",
            database | machine | {"multiAz": True, "parameterGroupName": "worklist"},
            protect=True,
        ),
        build("aws:rds/snapshot:Snapshot", "worklist", {"sharedAccounts": ["123456789012"]}),
        build(
            "aws:msk/configuration:Configuration",
            "events",
            {
                "arn": "arn:kafka:configuration",
                "latestRevision": 1,
                "serverProperties": "allow.everyone.if.no.acl.found=false\nauto.create.topics.enable = false\n",
            },
        ),
        build(
            "aws:msk/cluster:Cluster",
            "events",
            {
                "encryptionInfo": {
                    "encryptionAtRestKmsKeyArn": _KEY,
                    "encryptionInTransit": {"clientBroker": "TLS", "inCluster": True},
                },
                "clientAuthentication": {"sasl": {"iam": True}},
                "configurationInfo": {"arn": "arn:kafka:configuration", "revision": 1},
                "loggingInfo": {"brokerLogs": {"cloudwatchLogs": {"enabled": True, "logGroup": "kafka"}}},
                "tags": tags("shared", "raw", phi="true"),
            },
            protect=True,
        ),
    ]


def _tls(action: str, resource: str) -> dict[str, Any]:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, "Condition": condition}


def _alarm_topic() -> list[Resource]:
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
            {"arn": TOPIC, "policy": document(publish, _tls("sns:Publish", TOPIC))},
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
        states = {key: [value] for key, value in notice.event["detail"].items() if isinstance(value, str)}
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
        build(
            "aws:cloudwatch/logGroup:LogGroup",
            "flow",
            {"arn": "arn:logs:flow", "kmsKeyId": _KEY, "retentionInDays": 400, "tags": tags()},
        ),
        build(
            "aws:cloudwatch/logGroup:LogGroup",
            "trail",
            {"arn": "arn:logs:trail", "name": "trail", "kmsKeyId": _KEY, "retentionInDays": 400, "tags": tags()},
        ),
        build(
            "aws:cloudtrail/trail:Trail",
            "trail",
            {
                "isMultiRegionTrail": True,
                "enableLogFileValidation": True,
                "kmsKeyId": _KEY,
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
            {"s3BucketName": f"hmlops-prod-{hospitals[0]}-audit"},
        ),
        build("aws:cfg/recorderStatus:RecorderStatus", "recorder", {"name": "default", "isEnabled": True}),
    ]


def backups(hospitals: tuple[str, ...]) -> list[Resource]:
    """Return backups of all PHI stores."""
    chosen = [f"arn:aws:s3:::hmlops-prod-{name}-{data}" for name in hospitals for data in CLASSES]
    away = "arn:aws:backup:us-west-2:123456789012:backup-vault:dr"
    rule = {
        "ruleName": "daily",
        "targetVaultName": "vault",
        "schedule": "cron(0 3 * * ? *)",
        "startWindow": 60,
        "completionWindow": 480,
        "lifecycle": {"deleteAfter": 90},
        "copyActions": [{"destinationVaultArn": away}],
    }
    weekly = {"ruleName": "weekly", "targetVaultName": "vault", "schedule": "cron(0 3 ? * SUN *)"}
    selection = {"planId": "plan-1", "iamRoleArn": role_arn("backup")}
    return [
        build("aws:backup/vault:Vault", "vault", {"name": "vault", "kmsKeyArn": _KEY, "tags": tags()}, protect=True),
        build(
            "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
            "vault",
            {"backupVaultName": "vault", "minRetentionDays": 35, "changeableForDays": 3},
        ),
        build("aws:backup/plan:Plan", "plan", {"id": "plan-1", "rules": [rule, weekly]}),
        build("aws:backup/selection:Selection", "buckets", {**selection, "resources": chosen}),
        build(
            "aws:backup/selection:Selection",
            "databases",
            selection
            | {"selectionTags": [{"type": "STRINGEQUALS", "key": "healthcare-mlops/backup", "value": "daily"}]},
        ),
        build(
            "aws:backup/restoreTestingPlan:RestoreTestingPlan",
            "drill",
            {
                "name": "drill",
                "scheduleExpression": "cron(0 9 1 * ? *)",
                "startWindowHours": 8,
                "recoveryPointSelection": {"includeVaults": ["*"], "recoveryPointTypes": ["SNAPSHOT"]},
            },
        ),
        *(
            build(
                "aws:backup/restoreTestingSelection:RestoreTestingSelection",
                f"drill-{name}",
                {
                    "restoreTestingPlanName": "drill",
                    "protectedResourceType": name,
                    "iamRoleArn": role_arn("backup"),
                    "validationWindowHours": 24,
                },
            )
            for name in ("S3", "Aurora", "RDS", "EBS", "EC2")
        ),
        build("aws:inspector2/enabler:Enabler", "scans", {"resourceTypes": ["EC2", "ECR"]}),
    ]
