"""Examples of databases, streams, secrets and backups."""

import json

from tests.support.aws.aws_rows_world import Example

_OWNER = {"tags": {"owner": "platform"}}
_RULE = {
    "ruleName": "daily",
    "targetVaultName": "{vault.name}",
    "schedule": "cron(0 3 * * ? *)",
    "startWindow": 60,
    "completionWindow": 480,
    "lifecycle": {"deleteAfter": 35},
    "recoveryPointTags": {"schedule": "daily"},
    "copyActions": [{"destinationVaultArn": "{far_vault.arn}", "lifecycle": {"deleteAfter": 35}}],
}


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_BACKUPS: dict[str, Example] = {
    "stores_key": Example("aws:kms/key:Key", {"description": "stores", "enableKeyRotation": True}),
    "vault": Example(
        "aws:backup/vault:Vault",
        {"name": "hmlops-test", "kmsKeyArn": "{stores_key.arn}", **_OWNER},
        {"tags": {"owner": "security"}},
    ),
    "far_vault": Example(
        "aws:backup/vault:Vault", {"name": "hmlops-test", "region": "us-west-2", "forceDestroy": True}
    ),
    "vault_lock": Example(
        "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
        {
            "backupVaultName": "{vault.name}",
            "changeableForDays": 3,
            "minRetentionDays": 7,
            "maxRetentionDays": 400,
        },
        {"maxRetentionDays": 500},
    ),
    "backup_plan": Example(
        "aws:backup/plan:Plan",
        {"name": "hmlops-test-daily", "rules": [_RULE], **_OWNER},
        {"tags": {"owner": "security"}},
    ),
    "changed_plan": Example(
        "aws:backup/plan:Plan",
        {"name": "hmlops-test-weekly", "rules": [{**_RULE, "ruleName": "weekly"}]},
        {"rules": [{**_RULE, "ruleName": "weekly", "lifecycle": {"deleteAfter": 90}}]},
        # No emulator knows how a plan is changed.
        stays=True,
    ),
    "backup_role": Example(
        "aws:iam/role:Role", {"name": "hmlops-backup", "assumeRolePolicy": _trust("backup.amazonaws.com")}
    ),
    "selection": Example(
        "aws:backup/selection:Selection",
        {
            "name": "hmlops-test-daily",
            "planId": "{backup_plan.id}",
            "iamRoleArn": "{backup_role.arn}",
            "selectionTags": [{"type": "STRINGEQUALS", "key": "healthcare-mlops/backup", "value": "daily"}],
            "conditions": [
                {"stringEquals": [{"key": "aws:ResourceTag/healthcare-mlops/environment", "value": "test"}]}
            ],
            "resources": ["*"],
        },
        not_emulated=True,
    ),
    "restore_plan": Example(
        "aws:backup/restoreTestingPlan:RestoreTestingPlan",
        {
            "name": "hmlops_test",
            "scheduleExpression": "cron(0 5 ? * SUN *)",
            "startWindowHours": 4,
            "recoveryPointSelection": {
                "algorithm": "LATEST_WITHIN_WINDOW",
                "includeVaults": ["{vault.arn}"],
                "recoveryPointTypes": ["SNAPSHOT"],
                "selectionWindowDays": 7,
            },
            **_OWNER,
        },
        {"startWindowHours": 8},
        not_emulated=True,
    ),
    "restore_selection": Example(
        "aws:backup/restoreTestingSelection:RestoreTestingSelection",
        {
            "name": "database",
            "restoreTestingPlanName": "{restore_plan.name}",
            "iamRoleArn": "{backup_role.arn}",
            "protectedResourceType": "Aurora",
            "protectedResourceArns": ["*"],
            "protectedResourceConditions": {
                "stringEquals": [{"key": "aws:ResourceTag/healthcare-mlops/backup", "value": "daily"}]
            },
            "validationWindowHours": 24,
        },
        {"validationWindowHours": 12},
        not_emulated=True,
    ),
}

_DATABASES: dict[str, Example] = {
    "subnet_group": Example(
        "aws:rds/subnetGroup:SubnetGroup",
        {"name": "hmlops-test", "subnetIds": ["{subnet.id}", "{other_subnet.id}"], **_OWNER},
        {"description": "data", "tags": {"owner": "security"}},
    ),
    "parameters": Example(
        "aws:rds/clusterParameterGroup:ClusterParameterGroup",
        {
            "name": "hmlops-test",
            "family": "aurora-postgresql16",
            "parameters": [
                {"name": "rds.force_ssl", "value": "1", "applyMethod": "immediate"},
                {"name": "log_statement", "value": "ddl", "applyMethod": "immediate"},
            ],
            **_OWNER,
        },
        {
            "parameters": [
                {"name": "rds.force_ssl", "value": "1", "applyMethod": "immediate"},
                {"name": "log_statement", "value": "all", "applyMethod": "immediate"},
            ]
        },
    ),
    "database": Example(
        "aws:rds/cluster:Cluster",
        {
            "clusterIdentifier": "hmlops-test",
            "engine": "aurora-postgresql",
            "engineVersion": "16.6",
            "databaseName": "platform",
            "masterUsername": "platform",
            "manageMasterUserPassword": True,
            "masterUserSecretKmsKeyId": "{stores_key.arn}",
            "storageEncrypted": True,
            "kmsKeyId": "{stores_key.arn}",
            "dbSubnetGroupName": "{subnet_group.name}",
            "dbClusterParameterGroupName": "{parameters.name}",
            "vpcSecurityGroupIds": ["{group.id}"],
            "iamDatabaseAuthenticationEnabled": True,
            "backupRetentionPeriod": 35,
            "copyTagsToSnapshot": True,
            "enabledCloudwatchLogsExports": ["postgresql"],
            "preferredBackupWindow": "02:00-03:00",
            "preferredMaintenanceWindow": "sun:04:00-sun:05:00",
            "applyImmediately": True,
            "skipFinalSnapshot": False,
            "finalSnapshotIdentifier": "hmlops-test-last",
            **_OWNER,
        },
        {"backupRetentionPeriod": 14, "tags": {"owner": "security"}},
    ),
    "database_node": Example(
        "aws:rds/clusterInstance:ClusterInstance",
        {
            "identifier": "hmlops-test-1",
            "clusterIdentifier": "{database.clusterIdentifier}",
            "engine": "aurora-postgresql",
            "engineVersion": "16.6",
            "instanceClass": "db.r7g.large",
            "autoMinorVersionUpgrade": True,
            "publiclyAccessible": False,
            "performanceInsightsEnabled": True,
            "performanceInsightsKmsKeyId": "{stores_key.arn}",
            "promotionTier": 1,
            **_OWNER,
        },
        {"instanceClass": "db.r7g.xlarge"},
    ),
}

_STREAMS: dict[str, Example] = {
    "broker_settings": Example(
        "aws:msk/configuration:Configuration",
        {
            "name": "hmlops-test",
            "kafkaVersions": ["3.8.x"],
            "description": "no topic by accident",
            "serverProperties": "auto.create.topics.enable=false\n",
        },
        {"serverProperties": "auto.create.topics.enable=false\ndefault.replication.factor=3\n"},
    ),
    "brokers": Example(
        "aws:msk/cluster:Cluster",
        {
            "clusterName": "hmlops-test",
            "kafkaVersion": "3.8.x",
            "numberOfBrokerNodes": 2,
            "brokerNodeGroupInfo": {
                "clientSubnets": ["{subnet.id}", "{other_subnet.id}"],
                "instanceType": "kafka.m7g.large",
                "securityGroups": ["{group.id}"],
                "storageInfo": {"ebsStorageInfo": {"volumeSize": 100}},
            },
            "clientAuthentication": {"sasl": {"iam": True}},
            "configurationInfo": {"arn": "{broker_settings.arn}", "revision": 1},
            "encryptionInfo": {
                "encryptionAtRestKmsKeyArn": "{stores_key.arn}",
                "encryptionInTransit": {"clientBroker": "TLS", "inCluster": True},
            },
            "enhancedMonitoring": "PER_TOPIC_PER_BROKER",
            "loggingInfo": {"brokerLogs": {"cloudwatchLogs": {"enabled": True, "logGroup": "{log_group.name}"}}},
            **_OWNER,
        },
        {"tags": {"owner": "security"}},
    ),
    "changed_brokers": Example(
        "aws:msk/cluster:Cluster",
        {
            "clusterName": "hmlops-changed",
            "kafkaVersion": "3.8.x",
            "numberOfBrokerNodes": 2,
            "brokerNodeGroupInfo": {
                "clientSubnets": ["{subnet.id}", "{other_subnet.id}"],
                "instanceType": "kafka.m7g.large",
            },
        },
        {"kafkaVersion": "3.9.x", "numberOfBrokerNodes": 4},
        # No emulator knows how a cluster is changed.
        stays=True,
    ),
}

_SECRETS: dict[str, Example] = {
    "secret": Example(
        "aws:secretsmanager/secret:Secret",
        {"name": "hmlops-test", "kmsKeyId": "{stores_key.arn}", "description": "log-in", **_OWNER},
        {"description": "log-in of the database", "tags": {"owner": "security"}},
    ),
}

EXAMPLES: dict[str, Example] = {**_BACKUPS, **_DATABASES, **_STREAMS, **_SECRETS}
