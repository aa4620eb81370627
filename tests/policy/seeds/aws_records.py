"""Seeded violations of the controls over audit records, backups and inventory in AWS, one property at a time."""

from tests.policy.builders import GONE, PREFIX, build
from tests.policy.seeds.seed import Seed, absent, extra, seed

_BUCKET = "aws:s3/bucket:Bucket"
_ROLE = "aws:iam/role:Role"
_KEY = "aws:kms/key:Key"
_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_LOGGING = "aws:s3/bucketLogging:BucketLogging"
_REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
_OWN_REGION = "arn:aws:backup:us-east-1:123456789012:backup-vault:x"
_FOREIGN_VAULT = "arn:aws:backup:us-west-2:999999999999:backup-vault:x"
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
_MEMBER = "aws:rds/clusterInstance:ClusterInstance"
_DATABASE = "aws:rds/instance:Instance"
_EKS = "aws:eks/cluster:Cluster"
_INSTANCE = "aws:ec2/instance:Instance"
_TRAIL = "aws:cloudtrail/trail:Trail"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_PLAN = "aws:backup/plan:Plan"

SEEDS: list[Seed] = [
    absent("AUD-01", _TRAIL),
    seed("AUD-01", _TRAIL, "isMultiRegionTrail", False),
    seed("AUD-01", _TRAIL, "enableLogFileValidation", False),
    seed("AUD-01", _TRAIL, "kmsKeyId", GONE),
    seed("AUD-01", _TRAIL, "cloudWatchLogsGroupArn", GONE),
    seed("AUD-01", _TRAIL, "enableLogging", False),
    seed("AUD-01", _TRAIL, "eventSelectors[0].readWriteType", "WriteOnly"),
    seed("AUD-01", _TRAIL, "eventSelectors[0].dataResources[0].values", ["arn:aws:s3:::hmlops-prod-north-raw/"]),
    seed("AUD-01", _TRAIL, "eventSelectors", []),
    seed("AUD-02", _EKS, "enabledClusterLogTypes", ["api", "audit"]),
    seed("AUD-02", _EKS, "enabledClusterLogTypes", GONE),
    seed("AUD-03", "aws:cloudwatch/logGroup:LogGroup", "retentionInDays", 30),
    seed("AUD-03", _LIFECYCLE, "rules[0].expiration.days", 365, name="*audit"),
    seed("AUD-03", _LIFECYCLE, "rules[0].noncurrentVersionExpiration.noncurrentDays", 30, name="*audit"),
    absent("AUD-04", "aws:ec2/flowLog:FlowLog", "vpcId"),
    seed("AUD-04", "aws:ec2/flowLog:FlowLog", "trafficType", "REJECT"),
    seed("AUD-04", "aws:ec2/flowLog:FlowLog", "logDestination", "arn:elsewhere"),
    seed("AUD-04", "aws:cloudwatch/logGroup:LogGroup", "kmsKeyId", GONE, name="*flow"),
    absent("AUD-05", _LOGGING, "bucket"),
    seed("AUD-05", "aws:lb/loadBalancer:LoadBalancer", "accessLogs.enabled", False),
    seed("AUD-05", "aws:lb/loadBalancer:LoadBalancer", "accessLogs.bucket", GONE),
    absent("AUD-05", "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "resourceArn"),
    seed("AUD-05", _DATABASE, "enabledCloudwatchLogsExports", ["upgrade"]),
    seed("AUD-05", "aws:rds/cluster:Cluster", "enabledCloudwatchLogsExports", GONE),
    seed("AUD-07", _MEMBER, "monitoringInterval", 0),
    seed("AUD-07", _DATABASE, "monitoringInterval", GONE),
    seed("AUD-07", _ALARM, "alarmActions", []),
    seed("AUD-07", _ALARM, "actionsEnabled", False),
    seed("AUD-07", _ALARM, "okActions", ["arn:aws:sns:us-east-1:999999999999:x"], hides=False),
    seed("AUD-07", "aws:securityhub/account:Account", "autoEnableControls", False),
    seed("AC-18", "aws:sns/topic:Topic", "sqsFailureFeedbackRoleArn", "arn:aws:iam::999999999999:role/x", hides=False),
    absent("AUD-07", "aws:guardduty/detector:Detector"),
    absent("AUD-07", "aws:securityhub/account:Account"),
    absent("AUD-07", "aws:cfg/recorder:Recorder"),
    seed("AUD-07", "aws:guardduty/detector:Detector", "enable", False),
    seed("AUD-07", _FEATURE, "status", "DISABLED", hides=False),
    seed("AUD-07", "aws:cfg/recorderStatus:RecorderStatus", "isEnabled", False, hides=False),
    absent("BCP-01", "aws:backup/selection:Selection"),
    seed("BCP-01", "aws:ebs/volume:Volume", f"tags.{{{PREFIX}/backup}}", GONE),
    seed("BCP-01", _INSTANCE, f"tags.{{{PREFIX}/backup}}", GONE),
    seed("BCP-01", _PLAN, "rules[0].schedule", "cron(0 3 ? * SUN *)"),
    seed("BCP-01", _PLAN, "rules[0].schedule", "rate(3 days)"),
    seed("BCP-01", _PLAN, "rules[0].lifecycle.deleteAfter", 7),
    seed("BCP-01", _PLAN, "rules[0].copyActions", []),
    seed(
        "BCP-01",
        _PLAN,
        "rules[0].copyActions[0].destinationVaultArn",
        _OWN_REGION,
    ),
    seed("BCP-01", _PLAN, "rules[0].copyActions[0].destinationVaultArn", _FOREIGN_VAULT),
    seed(
        "BCP-02", "aws:backup/restoreTestingPlan:RestoreTestingPlan", "recoveryPointSelection.selectionWindowDays", 365
    ),
    absent("BCP-02", "aws:backup/vaultLockConfiguration:VaultLockConfiguration", "backupVaultName"),
    absent("BCP-02", "aws:backup/restoreTestingPlan:RestoreTestingPlan"),
    absent("BCP-03", _REPLICATION, "bucket"),
    seed("BCP-03", _REPLICATION, "rules[0].status", "Disabled"),
    seed("BCP-03", _REPLICATION, "rules[0].destination.encryptionConfiguration.replicaKmsKeyId", GONE),
    absent("BCP-04", _MEMBER, "clusterIdentifier"),
    seed("BCP-04", _MEMBER, "availabilityZone", "us-east-1a", name="warehouse-b"),
    seed("BCP-04", "aws:autoscaling/group:Group", "healthCheckType", "EC2"),
    seed("BCP-04", _BALANCER, "enableCrossZoneLoadBalancing", False, name="relay"),
    seed("BCP-04", "aws:rds/instance:Instance", "multiAz", False),
    seed("BCP-04", "aws:rds/cluster:Cluster", "backupRetentionPeriod", 1),
    seed("INV-01", _BUCKET, f"tags.{{{PREFIX}/owner}}", GONE),
    seed("INV-01", _BUCKET, f"tags.{{{PREFIX}/hospital}}", GONE),
    seed("INV-01", _BUCKET, f"tags.{{{PREFIX}/phi}}", "perhaps"),
    seed("INV-01", _KEY, f"tags.{{{PREFIX}/environment}}", GONE),
    seed("INV-01", _ROLE, "tags", {}),
    extra("INV-03", build("aws:dynamodb/table:Table", "x", {})),
    extra("INV-03", build("gcp:storage/bucket:Bucket", "x", {})),
    seed("INV-03", "pulumi:providers:aws", "region", "eu-west-1"),
    seed("INV-03", _BUCKET, "region", "eu-west-1"),
]
