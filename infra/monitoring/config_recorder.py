"""AWS Config recorder and delivery channel."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import cfg, iam

from infra.blocks.bucket import Bucket, BucketArgs, Retention
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.trust_policy import service_trust, source_account
from infra.settings import Settings, names
from infra.storage.hospital_buckets import AUDIT_DAYS

DATA = "configuration"
_CONFIG = "config.amazonaws.com"


@dataclass(frozen=True)
class ConfigRecorderArgs:
    """Arguments of the recorder.

    Parameters
    ----------
    settings
        The stack's settings.
    access_logs
        The bucket that receives server access logs of the recorder's bucket.
    """

    settings: Settings
    access_logs: pulumi.Input[str]


class ConfigRecorder(pulumi.ComponentResource):
    """AWS Config recorder of all supported resources, with its role, bucket, key and delivery channel."""

    def __init__(self, name: str, args: ConfigRecorderArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Recorder", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        key = PlatformKey(name, PlatformKeyArgs(settings, DATA, services=(_CONFIG,), phi=False, data=DATA), child)
        # Not the CloudTrail bucket: AWS Config does not deliver to buckets with object lock.
        bucket = Bucket(
            name,
            BucketArgs(
                settings,
                f"{names.stem(settings.environment)}-{names.SHARED}-{DATA}",
                names.tags(settings.environment, names.SHARED, phi=False, data_class=DATA),
                key.arn,
                Retention(AUDIT_DAYS, AUDIT_DAYS),
                services=(_CONFIG,),
                access_logs=args.access_logs,
            ),
            child,
        )
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, "recorder"),
            assume_role_policy=service_trust("config", source_account(settings.account)),
            tags=names.tags(settings.environment, phi=False),
            opts=child,
        )
        role_policy = iam.RolePolicyAttachment(
            name, role=role.name, policy_arn="arn:aws:iam::aws:policy/service-role/AWS_ConfigRole", opts=child
        )
        recorder = cfg.Recorder(
            name,
            name="default",
            role_arn=role.arn,
            recording_group=cfg.RecorderRecordingGroupArgs(all_supported=True, include_global_resource_types=True),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role_policy]),
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
