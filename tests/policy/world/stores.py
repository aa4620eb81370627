"""The data stores of the compliant stack that are not buckets: repositories, queues, databases and streams."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import build, document, tags
from tests.policy.world.aws import ACCOUNT, PLATFORM_KEY, REGION
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
