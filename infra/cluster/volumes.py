"""Volumes of nodes and pods: encrypted by one key, also those that somebody makes without saying so."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_aws import ebs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.storage.v1 import StorageClass

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.settings import names
from infra.settings.values import Settings

STORAGE_CLASS = "gp3"


@dataclass(frozen=True)
class VolumesArgs:
    """Whose volumes these are."""

    settings: Settings


class Volumes(pulumi.ComponentResource):
    """The key of volumes, which EC2 uses for whoever in the account starts a node or claims a volume."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: VolumesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Volumes", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = PlatformKey(name, PlatformKeyArgs(args.settings, "volumes", through=("ec2",)), child)
        chosen = ebs.DefaultKmsKey(name, key_arn=key.arn, opts=child)
        ebs.EncryptionByDefault(name, enabled=True, opts=pulumi.ResourceOptions(parent=self, depends_on=[chosen]))
        self.key_arn = key.arn
        self.register_outputs({"keyArn": self.key_arn})


def storage_class(cluster: kubernetes.Provider, key_arn: pulumi.Input[str]) -> StorageClass:
    """Declare the class of a volume that names none."""
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
        # A volume lies in one zone, so it is made where the pod will be.
        volume_binding_mode="WaitForFirstConsumer",
        opts=pulumi.ResourceOptions(provider=cluster),
    )
