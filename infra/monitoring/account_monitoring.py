"""Monitoring of the account: CloudTrail, AWS Config, threat detection, alarms, and the key of log groups."""

from dataclasses import dataclass

import pulumi

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.providers import AwsAccount
from infra.blocks.workload_roles import role_arn
from infra.monitoring.account_defaults import AccountDefaults, AccountDefaultsArgs
from infra.monitoring.alarms import Alarms, AlarmsArgs, AlarmTopic
from infra.monitoring.audit_log_bucket import AuditLogBucket, AuditLogBucketArgs
from infra.monitoring.cloudtrail import CloudTrail, CloudTrailArgs
from infra.monitoring.config_recorder import ConfigRecorder, ConfigRecorderArgs
from infra.monitoring.threat_detection import ThreatDetection, ThreatDetectionArgs
from infra.settings import Settings, names
from infra.storage.access_logs import AccessLogs, access_logs
from infra.storage.backup_role import BackupRole


@dataclass(frozen=True)
class AccountMonitoringArgs:
    """Arguments of the account's monitoring.

    Parameters
    ----------
    settings, aws
        The stack's settings and the AWS providers.
    backup_role
        The role of AWS Backup, which copies the CloudTrail log bucket.
    """

    settings: Settings
    aws: AwsAccount
    backup_role: BackupRole


class AccountMonitoring(pulumi.ComponentResource):
    """Monitoring resources that exist once in an account.

    Attributes
    ----------
    logs_key_arn
        ARN of the KMS key of log groups.
    alarms_topic_arn
        ARN of the SNS topic of alarms.
    access_logs
        Buckets that receive S3 server access logs.
    trail_log_group_arn
        ARN of CloudTrail's log group.
    """

    access_logs: AccessLogs
    trail_log_group_arn: pulumi.Output[str]
    logs_key_arn: pulumi.Output[str]
    alarms_topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AccountMonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        primary = pulumi.ResourceOptions(providers={"aws": args.aws.primary})
        super().__init__("healthcare-mlops:infra:Watch", name, None, pulumi.ResourceOptions.merge(opts, primary))
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        logs_key = PlatformKey(
            f"{name}-logs",
            PlatformKeyArgs(settings, "logs", services=(f"logs.{settings.region}.amazonaws.com",)),
            child,
        )
        topic = AlarmTopic(f"{name}-alarms", settings, child)
        self.access_logs = access_logs(name, settings, args.aws, child)
        audit_logs = AuditLogBucket(
            f"{name}-records",
            AuditLogBucketArgs(settings, args.aws, args.backup_role, self.access_logs),
            child,
        )
        trail = CloudTrail(name, CloudTrailArgs(settings, audit_logs.bucket, logs_key.arn), child)
        ConfigRecorder(f"{name}-recorder", ConfigRecorderArgs(settings, self.access_logs.primary), child)
        AccountDefaults(name, AccountDefaultsArgs(settings.account), child)
        ThreatDetection(name, ThreatDetectionArgs(settings, settings.region), child)
        if settings.tier.replicate:
            secondary = pulumi.ResourceOptions(parent=self, providers={"aws": args.aws.secondary})
            ThreatDetection(f"{name}-second", ThreatDetectionArgs(settings, settings.second_region), secondary)
        break_glass_arn = role_arn(settings, names.SHARED, names.BREAK_GLASS)
        Alarms(name, AlarmsArgs(settings, trail.log_group, topic.arn, break_glass_arn), child)
        self.trail_log_group_arn = trail.log_group_arn
        self.logs_key_arn = logs_key.arn
        self.alarms_topic_arn = topic.arn
        self.register_outputs({"logsKeyArn": self.logs_key_arn, "alarmsTopicArn": self.alarms_topic_arn})
