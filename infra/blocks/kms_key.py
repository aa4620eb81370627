"""Keys: one for each hospital and data class, so that destroying it destroys that data and no other."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import kms

from infra.blocks import kms_key_policy
from infra.settings import names
from infra.settings.values import DataClass, Hospital, Settings


@dataclass(frozen=True)
class DataKeyArgs:
    """What a data key is for.

    Parameters
    ----------
    settings, hospital, data
        Whose data of which class it encrypts.
    region
        Where it is used.
    readers, writers
        ARNs of who decrypts, and of who encrypts as well.
    after
        The readers and writers; AWS refuses a policy that names a role before it is there.
    protect
        Refuse its deletion.
    retain
        Leave it as it is when the stack does not name it any more.
    """

    settings: Settings
    hospital: Hospital
    data: DataClass
    region: str
    readers: Sequence[str]
    writers: Sequence[str]
    after: Sequence[pulumi.Resource] = ()
    protect: bool = True
    retain: bool = False


class DataKey(pulumi.ComponentResource):
    """A key that rotates each year and that S3 alone uses, for those who are named, with its alias."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:DataKey", name, None, opts)
        settings, hospital = args.settings, args.hospital.name
        own = names.key_alias(settings.environment, hospital, args.data)
        through_s3 = kms_key_policy.through_s3(args.region)
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=args.retain)
        key = kms.Key(
            name,
            description=f"{args.data} data of hospital {hospital} ({settings.environment})",
            policy=kms_key_policy.document(
                [
                    kms_key_policy.administration(settings.account),
                    *kms_key_policy.use("Readers", args.readers, kms_key_policy.READ, through_s3),
                    *kms_key_policy.use("Writers", args.writers, kms_key_policy.WRITE, through_s3),
                ]
            ),
            enable_key_rotation=True,
            deletion_window_in_days=settings.tier.key_deletion_days,
            tags=names.tags(settings.environment, hospital, args.data),
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(protect=args.protect, depends_on=list(args.after))
            ),
        )
        kms.Alias(
            name,
            name=dict(args.hospital.key_aliases).get(args.data, own),
            target_key_id=key.key_id,
            opts=child,
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True)
class PlatformKeyArgs:
    """What a key that hospitals share is for.

    Parameters
    ----------
    settings
        The environment.
    purpose
        What it encrypts, in one word; names the key's alias.
    services
        AWS services that use it by their own name, such as ``cloudtrail.amazonaws.com``.
    roles
        ARNs of roles that use it.
    through
        AWS services, such as ``rds``, that use it for whoever in this account asks them.
    phi
        Whether what it encrypts may be about patients.
    data
        The class of a bucket's data, where it is a bucket that it encrypts.
    """

    settings: Settings
    purpose: str
    services: tuple[str, ...] = ()
    roles: tuple[pulumi.Input[str], ...] = ()
    through: tuple[str, ...] = ()
    phi: bool = True
    data: str = ""


class PlatformKey(pulumi.ComponentResource):
    """A key that rotates each year, with administrators who cannot use it."""

    arn: pulumi.Output[str]
    key_id: pulumi.Output[str]

    def __init__(self, name: str, args: PlatformKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:PlatformKey", name, None, opts)
        settings = args.settings
        key = kms.Key(
            name,
            description=f"{args.purpose} of {names.PROJECT} ({settings.environment})",
            policy=pulumi.Output.all(*args.roles).apply(lambda roles: _shared_policy(args, roles)),
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


def _shared_policy(args: PlatformKeyArgs, roles: Sequence[str]) -> str:
    account = args.settings.account
    return kms_key_policy.document(
        [
            kms_key_policy.administration(account),
            *kms_key_policy.use("Users", roles),
            *(kms_key_policy.service(principal, account) for principal in args.services),
            *kms_key_policy.through(args.through, account),
        ]
    )
