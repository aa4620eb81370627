"""The AWS services of the compliant stack: EKS, data stores and backups."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import build, document, tags
from tests.policy.world.aws import ACCOUNT, CLASSES, PLATFORM_KEY, REGION, key, role_arn
from tests.policy.world.monitoring import alarm_topic, tls_only

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


_NO_STRANGERS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "ecr:*",
    "Condition": {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}},
}
_LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


def cluster() -> list[Resource]:
    """Return the cluster and its nodes."""
    ebs = {"encrypted": True, "kmsKeyId": PLATFORM_KEY}
    return [
        key("platform"),
        build(
            "aws:eks/cluster:Cluster",
            "eks",
            {
                "name": "eks",
                "version": "1.34",
                "vpcConfig": {"endpointPublicAccess": False},
                "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": PLATFORM_KEY}},
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
                "networkInterfaces": [{"associatePublicIpAddress": "false", "securityGroups": ["sg-endpoints"]}],
            },
        ),
        build(
            "aws:eks/nodeGroup:NodeGroup",
            "nodes",
            {
                "launchTemplate": {"id": "lt-1", "version": "1"},
                "labels": {"healthcare-mlops/node-class": "serving"},
                "taints": [{"key": "healthcare-mlops/node-class", "value": "serving", "effect": "NO_SCHEDULE"}],
                "tags": tags(),
            },
        ),
        *_node_pools(),
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
        build("aws:ebs/defaultKmsKey:DefaultKmsKey", "volumes", {"keyArn": PLATFORM_KEY}),
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


def _node_pools() -> list[Resource]:
    """Return a node pool of Karpenter with its node class."""
    volume = {"encrypted": True, "kmsKeyID": PLATFORM_KEY}
    node_class = {
        "amiSelectorTerms": [{"alias": "al2023@v20261112"}],
        "instanceProfile": "bastion",
        "subnetSelectorTerms": [{"id": "subnet-private"}],
        "securityGroupSelectorTerms": [{"id": "sg-endpoints"}],
        "associatePublicIPAddress": False,
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": volume}],
    }
    label = "healthcare-mlops/node-class"
    template = {
        "metadata": {"labels": {label: "phi"}},
        "spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "phi"},
            "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}],
            "taints": [{"key": label, "value": "phi", "effect": "NoSchedule"}],
            "expireAfter": "336h",
            "terminationGracePeriod": "24h",
        },
    }
    pool = {"template": template, "disruption": {"budgets": [{"nodes": "1"}]}}
    return [
        build("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "phi", {"metadata": {"name": "phi"}, "spec": node_class}),
        build("kubernetes:karpenter.sh/v1:NodePool", "phi", {"metadata": {"name": "phi"}, "spec": pool}),
    ]


def stores() -> list[Resource]:
    """Return repositories, secrets, queues, databases and streams."""
    database = {
        "arn": "arn:aws:rds:us-east-1:1:db:x",
        "storageEncrypted": True,
        "kmsKeyId": PLATFORM_KEY,
        "deletionProtection": True,
        "backupRetentionPeriod": 14,
        "enabledCloudwatchLogsExports": ["postgresql"],
        "tags": tags("shared", "curated", phi="true", backup="daily"),
    }
    curated = tags("shared", "curated", phi="true")
    parameters = {"parameters": [{"name": name, "value": value} for name, value in _PARAMETERS.items()]}
    machine = {"monitoringInterval": 60, "publiclyAccessible": False, "autoMinorVersionUpgrade": True}
    return [
        build(
            "aws:ecr/repository:Repository",
            "workloads",
            {
                "name": "workloads",
                "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": PLATFORM_KEY}],
                "imageScanningConfiguration": {"scanOnPush": True},
                "imageTagMutability": "IMMUTABLE",
                "tags": tags(),
            },
            protect=True,
        ),
        build(
            "aws:ecr/repositoryPolicy:RepositoryPolicy",
            "workloads",
            {"repository": "workloads", "policy": document(_NO_STRANGERS)},
        ),
        build("aws:secretsmanager/secret:Secret", "fhir", {"kmsKeyId": PLATFORM_KEY, "tags": tags()}),
        *alarm_topic(),
        build(
            "aws:sqs/queue:Queue",
            "work",
            {"arn": _QUEUE, "url": "work", "kmsMasterKeyId": PLATFORM_KEY, "tags": tags()},
        ),
        build(
            "aws:sqs/queuePolicy:QueuePolicy",
            "work",
            {"queueUrl": "work", "policy": document(tls_only("sqs:*", _QUEUE))},
        ),
        build(
            "aws:rds/clusterParameterGroup:ClusterParameterGroup",
            "warehouse",
            {"name": "warehouse", "tags": curated} | parameters,
        ),
        build(
            "aws:rds/subnetGroup:SubnetGroup",
            "warehouse",
            {"name": "warehouse", "subnetIds": ["subnet-private", "subnet-second"], "tags": curated},
        ),
        build("aws:rds/parameterGroup:ParameterGroup", "worklist", {"name": "worklist"} | parameters),
        build(
            "aws:rds/cluster:Cluster",
            "warehouse",
            database
            | {
                "clusterIdentifier": "warehouse",
                "dbClusterParameterGroupName": "warehouse",
                "dbSubnetGroupName": "warehouse",
                "vpcSecurityGroupIds": ["sg-endpoints"],
                "copyTagsToSnapshot": True,
            },
            protect=True,
        ),
        *(
            build(
                "aws:rds/clusterInstance:ClusterInstance",
                f"warehouse-{zone}",
                {
                    "clusterIdentifier": "warehouse",
                    "availabilityZone": f"{REGION}{zone}",
                    "tags": curated,
                    **machine,
                },
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
                    "encryptionAtRestKmsKeyArn": PLATFORM_KEY,
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
        build(
            "aws:backup/vault:Vault",
            "vault",
            {"name": "vault", "kmsKeyArn": PLATFORM_KEY, "tags": tags()},
            protect=True,
        ),
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
