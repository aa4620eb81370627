"""Aurora PostgreSQL cluster: Multi-AZ, customer-managed KMS key, TLS required, pgaudit, Enhanced Monitoring."""

import pulumi
from pulumi_aws import iam, rds

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.log_group import AUDIT_LOG_DAYS, LogGroup, LogGroupArgs
from infra.blocks.role_policies import SecretAccess
from infra.blocks.trust_policy import service_trust, source_account
from infra.blocks.workload_roles import ADMINISTERS_DATABASE
from infra.databases.database_args import DatabaseArgs
from infra.network.addresses import ZONES
from infra.settings import DataClass, Settings, names
from infra.settings.network import POSTGRESQL_PORT
from infra.storage.backup import DAILY_TAG

VERSION = "16.6"
FAMILY = "aurora-postgresql16"
# The initial database; each hospital has its own.
INITIAL_DATABASE = "platform"
ADMINISTRATOR = "administrator"
INSTANCES = 2
BACKUP_RETENTION_DAYS = 35
INSTANCE_CLASS = "db.r7g.large"
# One of the region's bundle (`endpoints.postgresql.authorities`); AWS renews its certificates without a restart.
CERTIFICATE_AUTHORITY = "rds-ca-rsa2048-g1"
# shared_preload_libraries is a static parameter; the others are dynamic.
PARAMETERS = {
    "shared_preload_libraries": ("pg_stat_statements,pgaudit", "pending-reboot"),
    "rds.force_ssl": ("1", "immediate"),
    "ssl_min_protocol_version": ("TLSv1.2", "immediate"),
    "password_encryption": ("scram-sha-256", "immediate"),
    "pgaudit.log": ("ddl,role,read,write", "immediate"),
    # Statement parameters may contain PHI.
    "pgaudit.log_parameter": ("0", "immediate"),
    "log_parameter_max_length_on_error": ("0", "immediate"),
    "log_connections": ("1", "immediate"),
    "log_disconnections": ("1", "immediate"),
}
_MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"


class AuroraPostgresql(pulumi.ComponentResource):
    """Aurora cluster of a writer and a reader in the data subnets.

    RDS manages the administrator's password in Secrets Manager and rotates it weekly, so neither configuration nor
    state contains it. Workloads get dynamic credentials from Vault; the Jobs that set up the databases of hospitals
    read the administrator's secret.
    """

    host: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    administrator: SecretAccess

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Database", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        identifier = names.stem(settings.environment)
        tags = names.tags(settings.environment, names.SHARED, DataClass.CURATED)
        protect = settings.tier.protect_data
        key = PlatformKey(
            name,
            PlatformKeyArgs(
                settings, "database", via=("rds", "secretsmanager", "backup"), administers=ADMINISTERS_DATABASE
            ),
            child,
        )
        # Declared before the cluster: RDS would create it without a KMS key and retention.
        logs = LogGroup(
            name,
            LogGroupArgs(
                settings,
                f"/aws/rds/cluster/{identifier}/postgresql",
                args.logs_key_arn,
                days=AUDIT_LOG_DAYS,
                phi=True,
            ),
            child,
        )
        subnets = rds.SubnetGroup(name, name=identifier, subnet_ids=args.network.data_subnet_ids, tags=tags, opts=child)
        parameters = rds.ClusterParameterGroup(
            name,
            name=identifier,
            family=FAMILY,
            parameters=[
                rds.ClusterParameterGroupParameterArgs(name=parameter, value=value, apply_method=apply_method)
                for parameter, (value, apply_method) in sorted(PARAMETERS.items())
            ],
            tags=tags,
            opts=child,
        )
        cluster = rds.Cluster(
            name,
            cluster_identifier=identifier,
            engine=rds.EngineType.AURORA_POSTGRESQL,
            engine_version=VERSION,
            port=POSTGRESQL_PORT,
            database_name=INITIAL_DATABASE,
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
            backup_retention_period=BACKUP_RETENTION_DAYS,
            preferred_backup_window="03:00-04:00",
            preferred_maintenance_window="sun:06:00-sun:07:00",
            copy_tags_to_snapshot=True,
            deletion_protection=protect,
            skip_final_snapshot=not protect,
            final_snapshot_identifier=f"{identifier}-last" if protect else None,
            tags=names.tags(settings.environment, names.SHARED, DataClass.CURATED, backup=DAILY_TAG),
            opts=pulumi.ResourceOptions(parent=self, protect=protect, depends_on=[logs]),
        )
        monitoring_role_arn = _monitoring_role(name, settings, child)
        for number, zone in enumerate(ZONES[:INSTANCES], start=1):
            rds.ClusterInstance(
                f"{name}-{number}",
                identifier=f"{identifier}-{number}",
                cluster_identifier=cluster.cluster_identifier,
                engine=rds.EngineType.AURORA_POSTGRESQL,
                engine_version=VERSION,
                instance_class=INSTANCE_CLASS,
                availability_zone=f"{settings.region}{zone}",
                db_subnet_group_name=subnets.name,
                publicly_accessible=False,
                ca_cert_identifier=CERTIFICATE_AUTHORITY,
                auto_minor_version_upgrade=True,
                monitoring_interval=60,
                monitoring_role_arn=monitoring_role_arn,
                performance_insights_enabled=True,
                performance_insights_kms_key_id=key.arn,
                promotion_tier=number,
                tags=tags,
                opts=child,
            )
        self.host = cluster.endpoint
        self.endpoint = pulumi.Output.concat(cluster.endpoint, f":{POSTGRESQL_PORT}")
        secret = cluster.master_user_secrets.apply(lambda secrets: str(secrets[0].secret_arn))
        self.administrator = SecretAccess(secret, secret, key.arn)
        self.register_outputs({"address": self.endpoint})


def _monitoring_role(name: str, settings: Settings, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Declare the role of RDS Enhanced Monitoring; its ARN resolves once the role has its policy."""
    role = iam.Role(
        f"{name}-monitor",
        name=names.role(settings.environment, names.SHARED, "database-monitor"),
        assume_role_policy=service_trust("monitoring.rds", source_account(settings.account)),
        tags=names.tags(settings.environment, names.SHARED, phi=False),
        opts=child,
    )
    attachment = iam.RolePolicyAttachment(f"{name}-monitor", role=role.name, policy_arn=_MONITORING_POLICY, opts=child)
    return pulumi.Output.all(role.arn, attachment.id).apply(lambda outputs: str(outputs[0]))
