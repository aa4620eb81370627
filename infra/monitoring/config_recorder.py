"""AWS Config: what every resource of the account looked like, and since when."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cfg, iam

from infra.blocks.bucket import Bucket, BucketArgs, Keep
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.service_trust import for_account, service_trust
from infra.settings import names
from infra.settings.values import Settings
from infra.storage.hospital_buckets import AUDIT_DAYS

DATA = "configuration"
_CONFIG = "config.amazonaws.com"


@dataclass(frozen=True)
class RecorderArgs:
    """Where what is recorded goes.

    Parameters
    ----------
    settings
        The environment.
    access_logs
        Where access to it is recorded.
    """

    settings: Settings
    access_logs: pulumi.Input[str]


class Recorder(pulumi.ComponentResource):
    """The recorder, its channel and the bucket that keeps what it saw."""

    def __init__(self, name: str, args: RecorderArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Recorder", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        key = PlatformKey(name, PlatformKeyArgs(settings, DATA, services=(_CONFIG,), phi=False, data=DATA), child)
        # A bucket of its own: AWS Config delivers to none that locks what it holds, as that of the trail does.
        bucket = Bucket(
            name,
            BucketArgs(
                settings,
                f"{names.stem(settings.environment)}-{names.SHARED}-{DATA}",
                names.tags(settings.environment, names.SHARED, phi=False, data_class=DATA),
                key.arn,
                Keep(AUDIT_DAYS, AUDIT_DAYS),
                services=(_CONFIG,),
                access_logs=args.access_logs,
            ),
            child,
        )
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, "recorder"),
            assume_role_policy=service_trust("config", for_account(settings.account)),
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        reads = iam.RolePolicyAttachment(
            name, role=role.name, policy_arn="arn:aws:iam::aws:policy/service-role/AWS_ConfigRole", opts=child
        )
        recorder = cfg.Recorder(
            name,
            name="default",
            role_arn=role.arn,
            recording_group=cfg.RecorderRecordingGroupArgs(all_supported=True, include_global_resource_types=True),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[reads]),
        )
        channel = cfg.DeliveryChannel(
            name,
            name="default",
            s3_bucket_name=bucket.bucket,
            s3_kms_key_arn=key.arn,
            snapshot_delivery_properties=cfg.DeliveryChannelSnapshotDeliveryPropertiesArgs(
                delivery_frequency="TwentyFour_Hours"
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[recorder, bucket]),
        )
        cfg.RecorderStatus(
            name,
            name=recorder.name,
            is_enabled=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[channel]),
        )
        self.register_outputs({})
