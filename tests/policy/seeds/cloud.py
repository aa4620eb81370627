"""Seeded violations of the controls over AWS, one property at a time."""

from tests.policy.builders import GONE, PREFIX, added, build, granting, listed, statement, testing, without
from tests.policy.seeds.seed import Seed, absent, extra, seed
from tests.policy.world.aws import key_arn

_BUCKET = "aws:s3/bucket:Bucket"
_ROLE = "aws:iam/role:Role"
_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
_POLICY = "aws:iam/policy:Policy"
_KEY = "aws:kms/key:Key"
_BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
_SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_LOGGING = "aws:s3/bucketLogging:BucketLogging"
_REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
_OWN_REGION = "arn:aws:backup:us-east-1:123456789012:backup-vault:x"
_FOREIGN_VAULT = "arn:aws:backup:us-west-2:999999999999:backup-vault:x"
_DEFAULT_SG = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_PROFILE = "aws:iam/instanceProfile:InstanceProfile"
_MEMBER = "aws:rds/clusterInstance:ClusterInstance"
_DATABASE = "aws:rds/instance:Instance"
_EKS = "aws:eks/cluster:Cluster"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_NODES = "aws:eks/nodeGroup:NodeGroup"
_INSTANCE = "aws:ec2/instance:Instance"
_LISTENER = "aws:lb/listener:Listener"
_TRAIL = "aws:cloudtrail/trail:Trail"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_PLAN = "aws:backup/plan:Plan"
_ENTRY = "aws:eks/accessEntry:AccessEntry"
_ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_RULE = "rules[0].applyServerSideEncryptionByDefault"
_DOCUMENT = "assumeRolePolicy"
_NARROWING = ("aws:PrincipalArn", "aws:SourceVpce", "aws:userId")
_ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}

ACCESS: list[Seed] = [
    seed("AC-01", _POLICY, "policy", statement(0, Action="*", Resource="*")),
    seed("AC-01", _ROLE_POLICY, "policy", statement(0, Action="s3:*", Resource="*")),
    seed("AC-01", _ROLE_POLICY, "policy", statement(0, Action="iam:*", Resource="arn:aws:iam::1:role/x")),
    seed("AC-01", _POLICY, "policy", statement(0, Action=GONE, NotAction="s3:DeleteBucket")),
    seed(
        "AC-01",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "policyArn",
        "arn:aws:iam::aws:policy/AdministratorAccess",
    ),
    seed("AC-01", _ROLE, "managedPolicyArns", ["arn:aws:iam::aws:policy/IAMFullAccess"]),
    seed(
        "AC-01",
        _ROLE,
        "inlinePolicies",
        [{"policy": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'}],
    ),
    seed("AC-02", _ROLE_POLICY, "policy", granting("kms:Decrypt", Resource="*")),
    seed("AC-02", _ROLE_POLICY, "policy", granting("kms:Decrypt", Resource="arn:aws:kms:us-east-1:1:key/*")),
    seed("AC-02", _ROLE_POLICY, "policy", granting("kms:Decrypt", Action="kms:ReEncrypt*", Resource="*")),
    seed("AC-02", _ROLE_POLICY, "policy", granting("s3:GetObject", Resource="arn:aws:s3:::*")),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Principal="*")),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Principal=GONE)),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Condition=GONE), name="*ingestor"),
    seed(
        "AC-03",
        _ROLE,
        _DOCUMENT,
        statement(0, Condition={"StringLike": {"x:sub": "system:serviceaccount:*", "x:aud": "sts.amazonaws.com"}}),
        name="*trainer",
    ),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Action="sts:AssumeRole"), name="pods"),
    extra("AC-04", build("aws:iam/user:User", "someone", {"name": "someone"})),
    extra("AC-04", build("aws:iam/accessKey:AccessKey", "someone", {"user": "someone"})),
    extra("AC-04", build("aws:iam/userPolicyAttachment:UserPolicyAttachment", "x", {"user": "someone"})),
    *(
        seed("AC-05", _BLOCK, flag, False)
        for flag in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ),
    seed("AC-05", _BLOCK, "blockPublicAcls", GONE),
    seed("AC-05", "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "state", "block-new-sharing"),
    extra("AC-05", build("aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission", "x", {})),
    seed("AC-05", "aws:rds/snapshot:Snapshot", "sharedAccounts[0]", "all"),
    extra("AC-05", build("aws:rds/clusterSnapshot:ClusterSnapshot", "x", {"sharedAccounts": ["1", "all"]})),
    seed("AC-05", "aws:ssm/document:Document", "permissions.account_ids", "123456789012,All"),
    absent("AC-06", _BLOCK, "bucket"),
    seed("AC-07", _OWNERSHIP, "rule.objectOwnership", "ObjectWriter"),
    seed("AC-07", _BUCKET, "acl", "public-read"),
    seed("AC-07", _BUCKET, "grants", [{"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}]),
    seed("AC-08", _BUCKET_POLICY, "policy", added(**_ANYBODY)),
    seed("AC-08", _BUCKET_POLICY, "policy", without(*_NARROWING), name="*raw"),
    seed("AC-08", _BUCKET_POLICY, "policy", testing("aws:PrincipalArn", Action="s3:PutObject"), name="*audit"),
    seed("AC-18", _BUCKET_POLICY, "policy", without(*_NARROWING), name="*raw"),
    seed("AC-09", _KEY, "policy", GONE),
    seed("AC-09", _KEY, "policy", statement(0, Principal="*", Condition=GONE)),
    seed("AC-09", _KEY, "policy", statement(0, Action="kms:*")),
    seed("AC-09", _KEY, "bypassPolicyLockoutSafetyCheck", True),
    seed("AC-13", _INSTANCE, "iamInstanceProfile", GONE),
    seed("AC-14", _EKS, "accessConfig.authenticationMode", "API_AND_CONFIG_MAP"),
    seed("AC-14", _EKS, "accessConfig.bootstrapClusterCreatorAdminPermissions", True),
    seed("AC-14", _ENTRY, "kubernetesGroups", ["system:masters"]),
    seed("AC-14", _ENTRY, "kubernetesGroups", ["system:masters"]).with_("principalArn", "arn:aws:iam::9:role/x"),
    seed("AC-14", _ASSOCIATION, "principalArn", "arn:aws:iam::123456789012:role/reader"),
    seed("AC-14", _ASSOCIATION, "principalArn", "arn:aws:iam::999999999999:role/strange"),
    seed("AC-15", _ROLE, f"tags.{{{PREFIX}/break-glass}}", GONE, name="break-glass"),
    seed("AC-15", _ROLE, f"tags.{{{PREFIX}/break-glass}}", "true", name="reader"),
    seed("AC-15", _ROLE, "maxSessionDuration", 7200, name="break-glass"),
    seed("AC-15", _ROLE, _DOCUMENT, statement(0, Condition=GONE), name="break-glass"),
    seed("AC-15", "aws:cloudwatch/eventRule:EventRule", "eventPattern", "{}", name="break-glass*", hides=False),
    seed("AC-16", _ROLE, "maxSessionDuration", 43200, name="reader"),
    seed("AUTH-02", _ROLE, _DOCUMENT, statement(0, Condition=GONE), name="reader"),
    *(
        seed("AUTH-04", "aws:iam/accountPasswordPolicy:AccountPasswordPolicy", field, value)
        for field, value in (
            ("minimumPasswordLength", 8),
            ("passwordReusePrevention", 3),
            ("maxPasswordAge", 365),
            ("requireSymbols", False),
        )
    ),
]

NETWORK: list[Seed] = [
    absent("SEG-05", "aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn"),
    seed("SEG-05", _BALANCER, "loadBalancerType", "application", name="relay"),
    absent("SEG-06", _DEFAULT_SG, "vpcId"),
    seed("SEG-06", _DEFAULT_SG, "ingress", [{"protocol": "-1", "self": True}]),
    seed("SEG-06", _DEFAULT_SG, "egress", [{"protocol": "-1"}]),
    absent("SEG-09", _ENDPOINT, "vpcId", name="*kms"),
    seed("SEG-09", _ENDPOINT, "serviceName", "com.amazonaws.us-east-1.ec2"),
    seed("SEG-09", _ENDPOINT, "privateDnsEnabled", False),
    seed("SEG-09", _ENDPOINT, "policy", GONE),
    seed("SEG-09", _ENDPOINT, "policy", statement(0, Effect="Allow", Principal="*", Resource="*", Condition=GONE)),
    seed("SEG-10", _EKS, "vpcConfig.endpointPublicAccess", True),
    seed("SEG-10", _EKS, "vpcConfig.endpointPublicAccess", GONE),
    seed("SEG-10", _EKS, "vpcConfig", {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}),
    seed("TX-01", _LISTENER, "protocol", "TCP", name="https"),
    seed("TX-01", _LISTENER, "sslPolicy", "ELBSecurityPolicy-2016-08", name="https"),
    seed("TX-01", _LISTENER, "certificateArn", GONE, name="https"),
    seed("TX-01", _LISTENER, "defaultActions[0].type", "forward", name="http"),
    seed("TX-01", _LISTENER, "defaultActions[0].redirect.protocol", "HTTP", name="http"),
    seed("TX-02", _BUCKET_POLICY, "policy", without("aws:SecureTransport")),
    seed("TX-02", _BUCKET_POLICY, "policy", without("s3:TlsVersion")),
    seed("TX-02", _BUCKET_POLICY, "policy", testing("aws:SecureTransport", Action="s3:GetObject")),
    seed(
        "TX-02",
        _BUCKET_POLICY,
        "policy",
        testing("s3:TlsVersion", Condition={"NumericLessThan": {"s3:TlsVersion": "1.1"}}),
    ),
    absent("TX-02", _BUCKET_POLICY, "bucket"),
    seed("TX-04", "aws:acm/certificate:Certificate", "privateKey", "x"),
]

DATA: list[Seed] = [
    absent("ENC-01", _SSE, "bucket"),
    seed("ENC-01", _SSE, f"{_RULE}.sseAlgorithm", "AES256"),
    seed("ENC-01", _SSE, f"{_RULE}.kmsMasterKeyId", GONE),
    seed("ENC-01", _SSE, f"{_RULE}.kmsMasterKeyId", "arn:aws:kms:us-east-1:9:key/other"),
    seed(
        "ENC-01", _SSE, f"{_RULE}.kmsMasterKeyId", "arn:aws:kms:us-east-1:123456789012:key/south-raw", name="*north-raw"
    ),
    seed(
        "ENC-01",
        _SSE,
        f"{_RULE}.kmsMasterKeyId",
        "arn:aws:kms:us-east-1:123456789012:key/north-raw",
        name="*north-models",
    ),
    seed("ENC-01", _SSE, "rules[0].bucketKeyEnabled", False),
    seed("ENC-02", _KEY, "enableKeyRotation", False),
    seed("ENC-02", _KEY, "deletionWindowInDays", 7),
    seed("ENC-02", _KEY, "isEnabled", False),
    seed("ENC-02", _SSE, f"{_RULE}.kmsMasterKeyId", key_arn("north-raw"), name="*north-models", hides=False).here(),
    extra("ENC-02", build("aws:kms/replicaKey:ReplicaKey", "away", {"deletionWindowInDays": 7})),
    seed("ENC-03", _EKS, "encryptionConfig", GONE),
    seed("ENC-03", _EKS, "encryptionConfig.resources", []),
    seed("ENC-03", _EKS, "encryptionConfig.provider.keyArn", ""),
    seed("ENC-04", "aws:ebs/volume:Volume", "encrypted", False),
    seed("ENC-04", "aws:ebs/volume:Volume", "kmsKeyId", GONE),
    seed("ENC-04", _TEMPLATE, "blockDeviceMappings", []),
    seed("ENC-04", _TEMPLATE, "blockDeviceMappings[0].ebs.encrypted", False),
    seed("ENC-04", _INSTANCE, "rootBlockDevice.encrypted", False),
    seed("ENC-04", _INSTANCE, "ebsBlockDevices[0].kmsKeyId", GONE),
    seed("ENC-04", _NODES, "launchTemplate", GONE),
    absent("ENC-04", "aws:ebs/encryptionByDefault:EncryptionByDefault"),
    seed("ENC-04", "aws:ebs/encryptionByDefault:EncryptionByDefault", "enabled", False),
    seed("ENC-05", "aws:cloudwatch/logGroup:LogGroup", "kmsKeyId", GONE),
    seed("ENC-06", "aws:ecr/repository:Repository", "encryptionConfigurations", GONE),
    seed("ENC-06", "aws:ecr/repository:Repository", "encryptionConfigurations[0].encryptionType", "AES256"),
    seed("ENC-06", "aws:ecr/repository:Repository", "encryptionConfigurations[0].kmsKey", GONE),
    seed("ENC-07", "aws:secretsmanager/secret:Secret", "kmsKeyId", GONE),
    seed("ENC-07", "aws:sns/topic:Topic", "kmsMasterKeyId", "alias/aws/sns"),
    seed("ENC-07", "aws:sqs/queue:Queue", "kmsMasterKeyId", GONE),
    seed("ENC-07", "aws:rds/cluster:Cluster", "storageEncrypted", False),
    seed("ENC-07", "aws:rds/instance:Instance", "kmsKeyId", GONE),
    seed("ENC-07", "aws:msk/cluster:Cluster", "encryptionInfo.encryptionAtRestKmsKeyArn", GONE),
    seed("ENC-07", "aws:msk/cluster:Cluster", "encryptionInfo.encryptionInTransit.clientBroker", "TLS_PLAINTEXT"),
    seed("ENC-07", "aws:msk/cluster:Cluster", "encryptionInfo.encryptionInTransit.inCluster", False),
    extra("ENC-07", build("aws:efs/fileSystem:FileSystem", "x", {"encrypted": False, "kmsKeyId": "k"})),
    extra("ENC-07", build("aws:kinesis/stream:Stream", "x", {"encryptionType": "NONE", "kmsKeyId": "k"})),
    seed("ENC-08", "aws:backup/vault:Vault", "kmsKeyArn", GONE),
    absent("INT-01", _VERSIONING, "bucket"),
    seed("INT-01", _VERSIONING, "versioningConfiguration.status", "Suspended"),
    absent("INT-01", _LIFECYCLE, "bucket"),
    seed("INT-01", _LIFECYCLE, "rules[0].noncurrentVersionExpiration", {"noncurrentDays": 1}, name="*raw", hides=False),
    seed("INT-01", _LIFECYCLE, "rules[0].expiration", {"date": "2027-01-01"}, name="*raw", hides=False),
    seed("INT-01", _LIFECYCLE, "rules", lambda rules: [{**rule, "status": "Disabled"} for rule in listed(rules)]),
    absent("INT-02", _LOCK, "bucket"),
    seed("INT-02", _LOCK, "rule.defaultRetention.mode", "GOVERNANCE", name="*audit"),
    seed("INT-02", _LOCK, "rule.defaultRetention.mode", GONE, name="*models"),
    seed("INT-03", _BUCKET, "forceDestroy", True),
    seed("INT-03", _BUCKET, "", None).unprotected(),
    seed("INT-03", _KEY, "", None).unprotected(),
    seed("INT-03", "aws:rds/cluster:Cluster", "deletionProtection", False),
    seed("INT-03", "aws:lb/loadBalancer:LoadBalancer", "enableDeletionProtection", False),
    seed("VM-01", "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration", "scanType", "BASIC"),
    seed("VM-01", "aws:ecr/repository:Repository", "imageTagMutability", "MUTABLE"),
    seed("VM-03", "aws:eks/addon:Addon", "addonVersion", GONE),
    seed("VM-03", _MEMBER, "autoMinorVersionUpgrade", False),
    seed("VM-03", _DATABASE, "autoMinorVersionUpgrade", False),
    seed("CM-03", _TEMPLATE, "metadataOptions.httpTokens", "optional"),
    seed("CM-03", _TEMPLATE, "metadataOptions.httpPutResponseHopLimit", 2),
    seed("CM-03", _TEMPLATE, "keyName", "operator"),
    seed("CM-03", _TEMPLATE, "userData", "IyEvYmluL3No"),
    seed("CM-03", _EKS, "remoteNetworkConfig", {"remoteNodeNetworks": {"cidrs": ["10.9.0.0/16"]}}),
    seed("CM-03", _EKS, "kubernetesNetworkConfig", {"ipFamily": "ipv6"}),
    seed("CM-03", _NODES, "remoteAccess", {"ec2SshKey": "operator"}),
    seed("CM-03", _NODES, "launchTemplate", GONE),
    seed("CM-03", _EKS, "version", "1.24"),
    absent("CM-03", _ATTACHMENT, "role", name="bastion"),
    seed("CM-03", _ATTACHMENT, "policyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess", name="bastion"),
    seed("CM-03", _PROFILE, "role", "elsewhere").here(),
    seed("CM-04", _FEATURE, "status", "DISABLED", name="runtime*", hides=False),
]

WATCH: list[Seed] = [
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

SEEDS = [*ACCESS, *NETWORK, *DATA, *WATCH]
