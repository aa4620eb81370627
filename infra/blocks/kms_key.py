"""KMS keys: one a hospital and data class, so that deleting a key destroys that data and no other."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import kms

from infra.blocks import kms_key_policy
from infra.settings import DataClass, Hospital, Settings, names


@dataclass(frozen=True)
class DataKeyArgs:
    """Arguments of a data key.

    Parameters
    ----------
    settings, hospital, data
        The stack's settings, the hospital, and the class of the data that the key encrypts.
    region
        The region of the bucket.
    readers, writers
        ARNs of the principals that decrypt, and of those that also encrypt.
    depends_on
        The principals; KMS rejects a key policy that names a role which does not exist.
    protect
        Whether Pulumi refuses to delete it.
    retain
        Whether it stays in AWS when it leaves the stack.
    """

    settings: Settings
    hospital: Hospital
    data: DataClass
    region: str
    readers: Sequence[str]
    writers: Sequence[str]
    depends_on: Sequence[pulumi.Resource] = ()
    protect: bool = True
    retain: bool = False


class DataKey(pulumi.ComponentResource):
    """KMS key of a hospital's bucket, with its alias: rotated yearly, usable through S3 by named principals only."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:DataKey", name, None, opts)
        settings, hospital = args.settings, args.hospital.name
        alias = names.key_alias(settings.environment, hospital, args.data)
        via_s3 = kms_key_policy.via_s3(args.region)
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=args.retain)
        key = kms.Key(
            name,
            description=f"{args.data} data of hospital {hospital} ({settings.environment})",
            policy=kms_key_policy.document(
                [
                    kms_key_policy.administration(settings.account),
                    *kms_key_policy.use("Readers", args.readers, kms_key_policy.READ, via_s3),
                    *kms_key_policy.use("Writers", args.writers, kms_key_policy.WRITE, via_s3),
                ]
            ),
            enable_key_rotation=True,
            deletion_window_in_days=settings.tier.key_deletion_days,
            tags=names.tags(settings.environment, hospital, args.data),
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(protect=args.protect, depends_on=list(args.depends_on))
            ),
        )
        kms.Alias(
            name,
            name=args.hospital.keys.get(args.data, alias),
            target_key_id=key.key_id,
            opts=child,
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True)
class PlatformKeyArgs:
    """Arguments of a shared key.

    Parameters
    ----------
    settings
        The stack's settings.
    purpose
        What it encrypts, in one word; part of the alias.
    services
        Service principals that use it, such as ``cloudtrail.amazonaws.com``.
    roles
        ARNs of roles that use it.
    via
        AWS services, such as ``rds``, through which principals of this account use it (``kms:ViaService``).
    administers
        Tag ``administers`` of hospitals' roles that read secrets which the key encrypts; empty for none.
    phi
        Whether the encrypted data may contain PHI.
    data
        The data class of the bucket that it encrypts; empty for other resources.
    """

    settings: Settings
    purpose: str
    services: tuple[str, ...] = ()
    roles: tuple[pulumi.Input[str], ...] = ()
    via: tuple[str, ...] = ()
    administers: str = ""
    phi: bool = True
    data: str = ""


class PlatformKey(pulumi.ComponentResource):
    """KMS key that hospitals share, with its alias: rotated yearly; administrators cannot use it."""

    arn: pulumi.Output[str]
    key_id: pulumi.Output[str]

    def __init__(self, name: str, args: PlatformKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:PlatformKey", name, None, opts)
        settings = args.settings
        key = kms.Key(
            name,
            description=f"{args.purpose} of {names.PROJECT} ({settings.environment})",
            policy=pulumi.Output.all(*args.roles).apply(lambda roles: _platform_key_policy(args, roles)),
            enable_key_rotation=True,
            deletion_window_in_days=settings.tier.key_deletion_days,
            tags=names.tags(settings.environment, names.SHARED, phi=args.phi, data_class=args.data),
            opts=pulumi.ResourceOptions(parent=self, protect=settings.tier.protect_data),
        )
        kms.Alias(
            name,
            name=f"alias/{names.stem(settings.environment)}-{args.purpose}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = key.arn
        self.key_id = key.key_id
        self.register_outputs({"arn": self.arn, "keyId": self.key_id})


def _platform_key_policy(args: PlatformKeyArgs, roles: Sequence[str]) -> str:
    account = args.settings.account
    return kms_key_policy.document(
        [
            kms_key_policy.administration(account),
            *kms_key_policy.use("Users", roles),
            *(kms_key_policy.service(principal, account) for principal in args.services),
            *kms_key_policy.via_services(args.via, account),
            *kms_key_policy.secret_readers(args.administers, account, args.settings.region),
        ]
    )
