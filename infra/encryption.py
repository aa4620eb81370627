"""Keys: one for each hospital and data class, so that destroying it destroys that data and no other."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import kms

from infra import key_policy, names
from infra.settings import DataClass, Settings


@dataclass(frozen=True)
class DataKeyArgs:
    """What a data key is for.

    Parameters
    ----------
    environment, hospital, data
        Whose data of which class it encrypts.
    protect
        Refuse deletion, and wait 30 days instead of 7 where it is deleted all the same.
    """

    environment: str
    hospital: str
    data: DataClass
    protect: bool


class DataKey(pulumi.ComponentResource):
    """A key that rotates each year, with its alias."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:DataKey", name, None, opts)
        # Who may use the key is decided by each role's own policy: the key's default policy defers to IAM.
        key = kms.Key(
            name,
            description=f"{args.data} data of hospital {args.hospital} ({args.environment})",
            enable_key_rotation=True,
            deletion_window_in_days=30 if args.protect else 7,
            tags=names.tags(args.environment, args.hospital, args.data),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        kms.Alias(
            name,
            name=names.key_alias(args.environment, args.hospital, args.data),
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
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
    """

    settings: Settings
    purpose: str
    services: tuple[str, ...] = ()
    roles: tuple[pulumi.Input[str], ...] = ()
    through: tuple[str, ...] = ()
    phi: bool = True


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
            tags=names.tags(settings.environment, names.SHARED, phi=args.phi),
            opts=pulumi.ResourceOptions(parent=self, protect=settings.tier.protect_data),
        )
        kms.Alias(
            name,
            name=f"alias/{names.PROJECT}-{settings.environment}-{args.purpose}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = key.arn
        self.key_id = key.key_id
        self.register_outputs({"arn": self.arn, "keyId": self.key_id})


def _shared_policy(args: PlatformKeyArgs, roles: Sequence[str]) -> str:
    account = args.settings.account
    return key_policy.document(
        [
            key_policy.administration(account),
            *key_policy.use("Users", roles),
            *(key_policy.service(principal, account) for principal in args.services),
            *key_policy.through(args.through, account),
        ]
    )
