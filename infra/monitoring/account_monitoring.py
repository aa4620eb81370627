"""Who watches the account: records of what happens, detectors, and alarms that reach somebody."""

from dataclasses import dataclass

import pulumi

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.providers import Account
from infra.blocks.workload_roles import role_arn
from infra.monitoring.account_defaults import Defaults, DefaultsArgs
from infra.monitoring.alarms import Alarms, AlarmsArgs, AlarmTopic
from infra.monitoring.audit_log_bucket import Records, RecordsArgs
from infra.monitoring.cloudtrail import Trail, TrailArgs
from infra.monitoring.config_recorder import Recorder, RecorderArgs
from infra.monitoring.threat_detection import Detectors, DetectorsArgs
from infra.settings import names
from infra.settings.values import Settings
from infra.storage.access_logs import AccessLogs, access_logs
from infra.storage.backup_role import BackupRole


@dataclass(frozen=True)
class WatchArgs:
    """What is watched.

    Parameters
    ----------
    settings, account
        The environment, and its account in both regions.
    backup
        Who takes copies of the trail's records.
    """

    settings: Settings
    account: Account
    backup: BackupRole


class Watch(pulumi.ComponentResource):
    """Everything that an account has once, and that others write their records to.

    Attributes
    ----------
    logs_key_arn
        The key of log groups.
    alarms_topic_arn
        Where alarms go.
    access_logs
        Where buckets record who asks for their objects.
    trail_logs_arn
        The log group that holds a year of the trail.
    """

    access_logs: AccessLogs
    trail_logs_arn: pulumi.Output[str]
    logs_key_arn: pulumi.Output[str]
    alarms_topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        here = pulumi.ResourceOptions(providers={"aws": args.account.here})
        super().__init__("healthcare-mlops:infra:Watch", name, None, pulumi.ResourceOptions.merge(opts, here))
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        logs_key = PlatformKey(
            f"{name}-logs",
            PlatformKeyArgs(settings, "logs", services=(f"logs.{settings.region}.amazonaws.com",)),
            child,
        )
        topic = AlarmTopic(f"{name}-alarms", settings, child)
        self.access_logs = access_logs(name, settings, args.account, child)
        records = Records(f"{name}-records", RecordsArgs(settings, args.account, args.backup, self.access_logs), child)
        trail = Trail(name, TrailArgs(settings, records.stored, logs_key.arn), child)
        Recorder(f"{name}-recorder", RecorderArgs(settings, self.access_logs.here), child)
        Defaults(name, DefaultsArgs(settings.account), child)
        Detectors(name, DetectorsArgs(settings, settings.region), child)
        if settings.tier.replicate:
            there = pulumi.ResourceOptions(parent=self, providers={"aws": args.account.second})
            Detectors(f"{name}-second", DetectorsArgs(settings, settings.second_region), there)
        Alarms(
            name,
            AlarmsArgs(settings, trail.logs, topic.arn, role_arn(settings, names.SHARED, names.BREAK_GLASS)),
            child,
        )
        self.trail_logs_arn = trail.logs_arn
        self.logs_key_arn = logs_key.arn
        self.alarms_topic_arn = topic.arn
        self.register_outputs({"logsKeyArn": self.logs_key_arn, "alarmsTopicArn": self.alarms_topic_arn})
