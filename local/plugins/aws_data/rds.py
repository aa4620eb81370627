"""Rows of the aws plugin for Aurora clusters and instances."""

from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Form
from local.plugins.aws.ordinary import row
from local.plugins.aws_data.rds_groups import TAGS
from local.plugins.provider.rows import Row

_CLUSTER: Final = {"DBClusterIdentifier": "{id}"}
_CLUSTER_PLACES: Final = {
    "clusterIdentifier": "DBClusterIdentifier",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
}
_CHANGED: Final = frozenset(
    {
        "allocatedStorage",
        "autoMinorVersionUpgrade",
        "backtrackWindow",
        "backupRetentionPeriod",
        "caCertificateIdentifier",
        "copyTagsToSnapshot",
        "databaseInsightsMode",
        "dbClusterInstanceClass",
        "dbClusterParameterGroupName",
        "dbInstanceParameterGroupName",
        "deletionProtection",
        "enableHttpEndpoint",
        "engineVersion",
        "iamDatabaseAuthenticationEnabled",
        "iops",
        "monitoringInterval",
        "monitoringRoleArn",
        "networkType",
        "performanceInsightsEnabled",
        "performanceInsightsKmsKeyId",
        "performanceInsightsRetentionPeriod",
        "port",
        "preferredBackupWindow",
        "preferredMaintenanceWindow",
        "serverlessv2ScalingConfiguration",
        "storageType",
        "vpcSecurityGroupIds",
    }
)


def _last_snapshot(arguments: dict[str, Any]) -> dict[str, Any]:
    """Set a final snapshot identifier only if a final snapshot is to be taken."""
    if arguments.get("SkipFinalSnapshot"):
        arguments.pop("FinalDBSnapshotIdentifier", None)
    return arguments


CLUSTER: Final = ApiType(
    "aws:rds/cluster:Cluster",
    "rds",
    Call(
        "CreateDBCluster",
        names={**_CLUSTER_PLACES, "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports"},
    ),
    Call("DescribeDBClusters", fixed=_CLUSTER),
    "DBClusters[0]",
    "{clusterIdentifier}",
    changes=(
        Call(
            "ModifyDBCluster",
            _CHANGED,
            names=_CLUSTER_PLACES,
            fixed={
                **_CLUSTER,
                "AllowMajorVersionUpgrade": "{allowMajorVersionUpgrade}",
                "ApplyImmediately": "{applyImmediately}",
            },
        ),
        Call(
            "ModifyDBCluster",
            frozenset({"enabledCloudwatchLogsExports"}),
            fixed=_CLUSTER,
            sets={
                "enabledCloudwatchLogsExports": (
                    "CloudwatchLogsExportConfiguration.EnableLogTypes",
                    "CloudwatchLogsExportConfiguration.DisableLogTypes",
                )
            },
        ),
        # Sending the setting again would rotate the managed password.
        Call(
            "ModifyDBCluster",
            frozenset({"manageMasterUserPassword", "masterUserSecretKmsKeyId"}),
            fixed={**_CLUSTER, "ApplyImmediately": "{applyImmediately}"},
        ),
    ),
    deletes=(
        Call(
            "DeleteDBCluster",
            fixed={
                **_CLUSTER,
                "DeleteAutomatedBackups": "{deleteAutomatedBackups}",
                "FinalDBSnapshotIdentifier": "{finalSnapshotIdentifier}",
                "SkipFinalSnapshot": "{skipFinalSnapshot}",
            },
            finish=_last_snapshot,
        ),
    ),
    reads={
        "allowMajorVersionUpgrade": "",
        "applyImmediately": "",
        "caCertificateIdentifier": "CertificateDetails.CAIdentifier",
        "dbClusterParameterGroupName": "DBClusterParameterGroup",
        "dbInstanceParameterGroupName": "",
        "dbSubnetGroupName": "DBSubnetGroup",
        "deleteAutomatedBackups": "",
        "enableHttpEndpoint": "HttpEndpointEnabled",
        "enabledCloudwatchLogsExports": "EnabledCloudwatchLogsExports",
        "finalSnapshotIdentifier": "",
        "iamDatabaseAuthenticationEnabled": "IAMDatabaseAuthenticationEnabled",
        "manageMasterUserPassword": "MasterUserSecret",
        "masterUserSecretKmsKeyId": "MasterUserSecret.KmsKeyId",
        "performanceInsightsEnabled": "PerformanceInsightsEnabled",
        "skipFinalSnapshot": "",
        "vpcSecurityGroupIds": "VpcSecurityGroups[].VpcSecurityGroupId",
    },
    forms={"manageMasterUserPassword": Form(bool, bool)},
    filled=frozenset(
        {
            "availabilityZones",
            "dbClusterParameterGroupName",
            "engineVersion",
            "networkType",
            "port",
            "preferredBackupWindow",
            "preferredMaintenanceWindow",
            "vpcSecurityGroupIds",
        }
    ),
    outputs={
        "clusterResourceId": "DbClusterResourceId",
        "endpoint": "Endpoint",
        "engineVersionActual": "EngineVersion",
        "hostedZoneId": "HostedZoneId",
        "masterUserSecrets": "[MasterUserSecret][?@].{kmsKeyId: KmsKeyId, secretArn: SecretArn,"
        " secretStatus: SecretStatus}",
        "readerEndpoint": "ReaderEndpoint",
    },
    derived={"arn": "arn:{partition}:rds:{region}:{account}:cluster:{clusterIdentifier}"},
    tags=TAGS,
    wait="db_cluster_available",
    wait_gone="db_cluster_deleted",
)

# --- instances ---------------------------------------------------------------------------
_INSTANCE: Final = {"DBInstanceIdentifier": "{id}"}
_INSTANCE_PLACES: Final = {
    "caCertIdentifier": "CACertificateIdentifier",
    "instanceClass": "DBInstanceClass",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
}

INSTANCE: Final = ApiType(
    "aws:rds/clusterInstance:ClusterInstance",
    "rds",
    Call(
        "CreateDBInstance",
        names={
            **_INSTANCE_PLACES,
            "clusterIdentifier": "DBClusterIdentifier",
            "identifier": "DBInstanceIdentifier",
        },
    ),
    Call("DescribeDBInstances", fixed=_INSTANCE),
    "DBInstances[0]",
    "{identifier}",
    changes=(
        Call(
            "ModifyDBInstance",
            frozenset(
                {
                    "autoMinorVersionUpgrade",
                    "caCertIdentifier",
                    "copyTagsToSnapshot",
                    "dbParameterGroupName",
                    "instanceClass",
                    "monitoringInterval",
                    "monitoringRoleArn",
                    "performanceInsightsEnabled",
                    "performanceInsightsKmsKeyId",
                    "performanceInsightsRetentionPeriod",
                    "preferredBackupWindow",
                    "preferredMaintenanceWindow",
                    "promotionTier",
                    "publiclyAccessible",
                }
            ),
            names=_INSTANCE_PLACES,
            fixed={**_INSTANCE, "ApplyImmediately": "{applyImmediately}"},
        ),
    ),
    deletes=(Call("DeleteDBInstance", fixed={**_INSTANCE, "SkipFinalSnapshot": True}),),
    reads={
        "applyImmediately": "",
        "dbParameterGroupName": "DBParameterGroups[0].DBParameterGroupName",
        "dbSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
        "performanceInsightsEnabled": "PerformanceInsightsEnabled",
    },
    filled=frozenset(
        {
            "availabilityZone",
            "caCertIdentifier",
            "dbParameterGroupName",
            "dbSubnetGroupName",
            "engineVersion",
            "preferredBackupWindow",
            "preferredMaintenanceWindow",
        }
    ),
    outputs={
        "dbiResourceId": "DbiResourceId",
        "endpoint": "Endpoint.Address",
        "engineVersionActual": "EngineVersion",
        "kmsKeyId": "KmsKeyId",
        "networkType": "NetworkType",
        "port": "Endpoint.Port",
        "storageEncrypted": "StorageEncrypted",
    },
    derived={"arn": "arn:{partition}:rds:{region}:{account}:db:{identifier}"},
    tags=TAGS,
    wait="db_instance_available",
    wait_gone="db_instance_deleted",
)

_NO_PASSWORD: Final = "set manageMasterUserPassword: a password in a program is in its state as well"

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        CLUSTER,
        required=("engine",),
        autoname="clusterIdentifier",
        autoname_length=63,
        defaults={"skipFinalSnapshot": False},
        unordered=frozenset({"availabilityZones", "enabledCloudwatchLogsExports", "vpcSecurityGroupIds"}),
        unsupported={"masterPassword": _NO_PASSWORD, "masterPasswordWo": _NO_PASSWORD},
    ),
    row(
        INSTANCE,
        required=("clusterIdentifier", "engine", "instanceClass"),
        autoname="identifier",
        autoname_length=63,
        unsupported={"forceDestroy": "an instance goes without a snapshot: the cluster takes the last one"},
    ),
)
