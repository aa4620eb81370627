"""EBS encryption by default with the stack's KMS key, and the default StorageClass."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_aws import ebs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.storage.v1 import StorageClass

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.settings import Settings, names

STORAGE_CLASS = "gp3"


@dataclass(frozen=True)
class VolumesArgs:
    """Arguments of EBS encryption."""

    settings: Settings


class Volumes(pulumi.ComponentResource):
    """KMS key of EBS volumes, set as the account's default in the region."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: VolumesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Volumes", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = PlatformKey(name, PlatformKeyArgs(args.settings, "volumes", via=("ec2",)), child)
        default_key = ebs.DefaultKmsKey(name, key_arn=key.arn, opts=child)
        ebs.EncryptionByDefault(name, enabled=True, opts=pulumi.ResourceOptions(parent=self, depends_on=[default_key]))
        self.key_arn = key.arn
        self.register_outputs({"keyArn": self.key_arn})


def storage_class(provider: kubernetes.Provider, key_arn: pulumi.Input[str]) -> StorageClass:
    """Declare the default StorageClass: encrypted gp3 volumes."""
    return StorageClass(
        STORAGE_CLASS,
        metadata=ObjectMetaArgs(
            name=STORAGE_CLASS,
            labels=names.labels(),
            annotations={"storageclass.kubernetes.io/is-default-class": "true"},
        ),
        provisioner="ebs.csi.aws.com",
        parameters={"type": "gp3", "encrypted": "true", "kmsKeyId": key_arn},
        allow_volume_expansion=True,
        reclaim_policy="Delete",
        # EBS volumes are zonal, so a volume is created in the zone of its pod.
        volume_binding_mode="WaitForFirstConsumer",
        opts=pulumi.ResourceOptions(provider=provider),
    )
