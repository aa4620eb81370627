"""Seeded violations of the controls over encryption, integrity and machines in AWS, one property at a time."""

from tests.policy.builders import GONE, build, listed
from tests.policy.seeds.seed import Seed, absent, extra, seed
from tests.policy.world.aws import key_arn

_BUCKET = "aws:s3/bucket:Bucket"
_KEY = "aws:kms/key:Key"
_SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_PROFILE = "aws:iam/instanceProfile:InstanceProfile"
_MEMBER = "aws:rds/clusterInstance:ClusterInstance"
_DATABASE = "aws:rds/instance:Instance"
_EKS = "aws:eks/cluster:Cluster"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_NODES = "aws:eks/nodeGroup:NodeGroup"
_INSTANCE = "aws:ec2/instance:Instance"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_RULE = "rules[0].applyServerSideEncryptionByDefault"

SEEDS: list[Seed] = [
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
    seed("INT-03", "aws:eks/cluster:Cluster", "deletionProtection", GONE),
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
