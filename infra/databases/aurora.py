"""PostgreSQL on Aurora: three zones, its own key, TLS and named logins alone, every change of structure on record."""

import pulumi
from pulumi_aws import iam, rds

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.log_group import RECORD_DAYS, Logs, LogsArgs
from infra.blocks.service_trust import for_account, service_trust
from infra.databases.store_args import StoreArgs
from infra.network.addresses import ZONES
from infra.settings import names
from infra.settings.values import DataClass, Settings
from infra.storage.backup import DAILY_TAG

VERSION = "16.6"
FAMILY = "aurora-postgresql16"
PORT = 5432
# The database that PostgreSQL starts with; hospitals have databases of their own beside it.
FIRST = "platform"
ADMINISTRATOR = "administrator"
MEMBERS = 2
KEPT_DAYS = 35
CLASS = "db.r7g.large"
# pgaudit needs to be loaded when the server starts; everything else can change while it runs.
PARAMETERS = {
    "shared_preload_libraries": ("pg_stat_statements,pgaudit", "pending-reboot"),
    "rds.force_ssl": ("1", "immediate"),
    "ssl_min_protocol_version": ("TLSv1.2", "immediate"),
    "password_encryption": ("scram-sha-256", "immediate"),
    "pgaudit.log": ("ddl,role,read,write", "immediate"),
    # What a statement was given may be about a patient.
    "pgaudit.log_parameter": ("0", "immediate"),
    "log_parameter_max_length_on_error": ("0", "immediate"),
    "log_connections": ("1", "immediate"),
    "log_disconnections": ("1", "immediate"),
}
_MONITORING = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"


class Database(pulumi.ComponentResource):
    """A cluster of a writer and a reader in subnets that lead nowhere.

    AWS makes the administrator's password, keeps it in Secrets Manager under the cluster's key, and changes it each
    week: it is in no configuration and no state. Vault makes the logins of workloads.
    """

    address: pulumi.Output[str]

    def __init__(self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Database", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        called = names.stem(settings.environment)
        tags = names.tags(settings.environment, names.SHARED, DataClass.CURATED)
        protect = settings.tier.protect_data
        key = PlatformKey(
            name, PlatformKeyArgs(settings, "database", through=("rds", "secretsmanager", "backup")), child
        )
        # Made here, because RDS would make it without a key and keep it for ever.
        logs = Logs(
            name,
            LogsArgs(settings, f"/aws/rds/cluster/{called}/postgresql", args.logs_key_arn, days=RECORD_DAYS, phi=True),
            child,
        )
        subnets = rds.SubnetGroup(name, name=called, subnet_ids=args.network.data_subnet_ids, tags=tags, opts=child)
        parameters = rds.ClusterParameterGroup(
            name,
            name=called,
            family=FAMILY,
            parameters=[
                rds.ClusterParameterGroupParameterArgs(name=parameter, value=value, apply_method=when)
                for parameter, (value, when) in sorted(PARAMETERS.items())
            ],
            tags=tags,
            opts=child,
        )
        cluster = rds.Cluster(
            name,
            cluster_identifier=called,
            engine=rds.EngineType.AURORA_POSTGRESQL,
            engine_version=VERSION,
            port=PORT,
            database_name=FIRST,
            master_username=ADMINISTRATOR,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=key.arn,
            iam_database_authentication_enabled=True,
            storage_encrypted=True,
            kms_key_id=key.arn,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args.network.groups["database"]],
            db_cluster_parameter_group_name=parameters.name,
            enabled_cloudwatch_logs_exports=["postgresql"],
            backup_retention_period=KEPT_DAYS,
            preferred_backup_window="03:00-04:00",
            preferred_maintenance_window="sun:06:00-sun:07:00",
            copy_tags_to_snapshot=True,
            deletion_protection=protect,
            skip_final_snapshot=not protect,
            final_snapshot_identifier=f"{called}-last" if protect else None,
            tags=names.tags(settings.environment, names.SHARED, DataClass.CURATED, backup=DAILY_TAG),
            opts=pulumi.ResourceOptions(parent=self, protect=protect, depends_on=[logs]),
        )
        monitor = _monitor(name, settings, child)
        for number, zone in enumerate(ZONES[:MEMBERS], start=1):
            rds.ClusterInstance(
                f"{name}-{number}",
                identifier=f"{called}-{number}",
                cluster_identifier=cluster.cluster_identifier,
                engine=rds.EngineType.AURORA_POSTGRESQL,
                engine_version=VERSION,
                instance_class=CLASS,
                availability_zone=f"{settings.region}{zone}",
                db_subnet_group_name=subnets.name,
                publicly_accessible=False,
                auto_minor_version_upgrade=True,
                monitoring_interval=60,
                monitoring_role_arn=monitor,
                performance_insights_enabled=True,
                performance_insights_kms_key_id=key.arn,
                promotion_tier=number,
                tags=tags,
                opts=child,
            )
        self.address = pulumi.Output.concat(cluster.endpoint, f":{PORT}")
        self.register_outputs({"address": self.address})


def _monitor(name: str, settings: Settings, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Declare who sends measures of the machines to CloudWatch, and return its ARN once it may."""
    role = iam.Role(
        f"{name}-monitor",
        name=names.role(settings.environment, names.SHARED, "database-monitor"),
        assume_role_policy=service_trust("monitoring.rds", for_account(settings.account)),
        tags=names.tags(settings.environment, names.SHARED, phi=False),
        opts=child,
    )
    may = iam.RolePolicyAttachment(f"{name}-monitor", role=role.name, policy_arn=_MONITORING, opts=child)
    return pulumi.Output.all(role.arn, may.id).apply(lambda known: str(known[0]))
