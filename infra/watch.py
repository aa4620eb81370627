"""Who watches the account: records of what happens, detectors, and alarms that reach somebody."""

from dataclasses import dataclass

import pulumi

from infra.access_logs import AccessLogs, access_logs
from infra.account import Account
from infra.alarms import AlarmTopic
from infra.encryption import PlatformKey, PlatformKeyArgs
from infra.settings import Settings


@dataclass(frozen=True)
class WatchArgs:
    """What is watched.

    Parameters
    ----------
    settings, account
        The environment, and its account in both regions.
    """

    settings: Settings
    account: Account


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
    """

    access_logs: AccessLogs
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
        self.logs_key_arn = logs_key.arn
        self.alarms_topic_arn = topic.arn
        self.register_outputs({"logsKeyArn": self.logs_key_arn, "alarmsTopicArn": self.alarms_topic_arn})
