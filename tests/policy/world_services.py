"""The account's services as they should be: cluster, stores, watchers and backups."""

from policy_pack.stack.graph import Resource
from tests.policy.made import made, tags
from tests.policy.world_aws import CLASSES, REGION, key, key_arn, role_arn

_KEY = key_arn("platform")
_LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


def cluster() -> list[Resource]:
    """Return the cluster and its nodes."""
    ebs = {"encrypted": True, "kmsKeyId": _KEY}
    return [
        key("platform"),
        made(
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
        made(
            "aws:ec2/launchTemplate:LaunchTemplate",
            "nodes",
            {
                "id": "lt-1",
                "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": ebs}],
                "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
                "networkInterfaces": [{"associatePublicIpAddress": "false"}],
            },
        ),
        made(
            "aws:eks/nodeGroup:NodeGroup", "nodes", {"launchTemplate": {"id": "lt-1", "version": "1"}, "tags": tags()}
        ),
        made("aws:eks/addon:Addon", "vpc-cni", {"addonVersion": "v1.20.1-eksbuild.1"}),
        made(
            "aws:eks/accessEntry:AccessEntry",
            "readers",
            {"principalArn": role_arn("reader"), "kubernetesGroups": ["readers"]},
        ),
        made(
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            "break-glass",
            {
                "principalArn": role_arn("break-glass"),
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                "accessScope": {"type": "cluster"},
            },
        ),
        made("aws:ebs/volume:Volume", "scratch", ebs | {"tags": tags("shared", "models")}),
        made(
            "aws:ec2/instance:Instance",
            "bastion",
            {
                "associatePublicIpAddress": False,
                "rootBlockDevice": dict(ebs),
                "ebsBlockDevices": [dict(ebs)],
                "iamInstanceProfile": "bastion",
                "tags": tags("shared", "models"),
            },
        ),
        made("aws:iam/instanceProfile:InstanceProfile", "bastion", {"name": "bastion", "role": "bastion"}),
        made(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "bastion",
            {"role": "bastion", "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
        ),
        made(
            "aws:autoscaling/group:Group",
            "relay",
            {"targetGroupArns": ["arn:target"], "healthCheckType": "ELB", "tags": []},
        ),
        made("aws:ebs/encryptionByDefault:EncryptionByDefault", "volumes", {"enabled": True}),
        made("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "all", {"state": "block-all-sharing"}),
        made(
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
    machine = {"monitoringInterval": 60, "publiclyAccessible": False, "autoMinorVersionUpgrade": True}
    return [
        made(
            "aws:ecr/repository:Repository",
            "workloads",
            {
                "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": _KEY}],
                "imageScanningConfiguration": {"scanOnPush": True},
                "imageTagMutability": "IMMUTABLE",
                "tags": tags(),
            },
        ),
        made("aws:secretsmanager/secret:Secret", "fhir", {"kmsKeyId": _KEY, "tags": tags()}),
        made("aws:sns/topic:Topic", "alarms", {"kmsMasterKeyId": _KEY, "tags": tags()}),
        made("aws:sqs/queue:Queue", "work", {"kmsMasterKeyId": _KEY, "tags": tags()}),
        made("aws:rds/cluster:Cluster", "warehouse", database | {"clusterIdentifier": "warehouse"}, protect=True),
        *(
            made(
                "aws:rds/clusterInstance:ClusterInstance",
                f"warehouse-{zone}",
                {"clusterIdentifier": "warehouse", "availabilityZone": f"{REGION}{zone}", **machine},
            )
            for zone in ("a", "b")
        ),
        made("aws:rds/instance:Instance", "worklist", database | machine | {"multiAz": True}, protect=True),
        made("aws:rds/snapshot:Snapshot", "worklist", {"sharedAccounts": ["123456789012"]}),
        made(
            "aws:msk/cluster:Cluster",
            "events",
            {
                "encryptionInfo": {
                    "encryptionAtRestKmsKeyArn": _KEY,
                    "encryptionInTransit": {"clientBroker": "TLS", "inCluster": True},
                },
                "tags": tags("shared", "raw", phi="true"),
            },
            protect=True,
        ),
    ]


def watchers(hospitals: tuple[str, ...]) -> list[Resource]:
    """Return what records and watches."""
    values = [f"arn:aws:s3:::hmlops-prod-{name}-{data}/" for name in hospitals for data in CLASSES]
    feature = "aws:guardduty/detectorFeature:DetectorFeature"
    return [
        made(
            "aws:cloudwatch/logGroup:LogGroup",
            "flow",
            {"arn": "arn:logs:flow", "kmsKeyId": _KEY, "retentionInDays": 400, "tags": tags()},
        ),
        made(
            "aws:cloudtrail/trail:Trail",
            "trail",
            {
                "isMultiRegionTrail": True,
                "enableLogFileValidation": True,
                "kmsKeyId": _KEY,
                "cloudWatchLogsGroupArn": "arn:logs:trail",
                "enableLogging": True,
                "eventSelectors": [
                    {"readWriteType": "All", "dataResources": [{"type": "AWS::S3::Object", "values": values}]}
                ],
                "tags": tags(),
            },
        ),
        made("aws:guardduty/detector:Detector", "watch", {"id": "d-1", "enable": True}),
        *(
            made(feature, name.lower(), {"detectorId": "d-1", "name": name, "status": "ENABLED"})
            for name in ("EKS_AUDIT_LOGS", "S3_DATA_EVENTS", "RUNTIME_MONITORING")
        ),
        made(
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            "denied",
            {"alarmActions": ["arn:aws:sns:us-east-1:1:alarms"], "actionsEnabled": True},
        ),
        made("aws:securityhub/account:Account", "hub", {}),
        made("aws:cfg/recorder:Recorder", "recorder", {"roleArn": role_arn("x")}),
        made("aws:cfg/recorderStatus:RecorderStatus", "recorder", {"isEnabled": True}),
    ]


def backups(hospitals: tuple[str, ...]) -> list[Resource]:
    """Return backups of everything that holds PHI."""
    chosen = [f"arn:aws:s3:::hmlops-prod-{name}-{data}" for name in hospitals for data in CLASSES]
    away = "arn:aws:backup:us-west-2:1:backup-vault:dr"
    rule = {
        "ruleName": "daily",
        "schedule": "cron(0 3 * * ? *)",
        "lifecycle": {"deleteAfter": 90},
        "copyActions": [{"destinationVaultArn": away}],
    }
    return [
        made("aws:backup/vault:Vault", "vault", {"name": "vault", "kmsKeyArn": _KEY, "tags": tags()}, protect=True),
        made("aws:backup/vaultLockConfiguration:VaultLockConfiguration", "vault", {"backupVaultName": "vault"}),
        made("aws:backup/plan:Plan", "plan", {"rules": [rule]}),
        made("aws:backup/selection:Selection", "buckets", {"resources": chosen}),
        made(
            "aws:backup/selection:Selection",
            "databases",
            {"selectionTags": [{"type": "STRINGEQUALS", "key": "healthcare-mlops/backup", "value": "daily"}]},
        ),
        made("aws:backup/restoreTestingPlan:RestoreTestingPlan", "drill", {"name": f"drill_{REGION}"}),
    ]
