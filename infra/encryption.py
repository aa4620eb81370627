"""Keys: one for each hospital and data class, so that destroying it destroys that data and no other."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import kms

from infra import names
from infra.settings import DataClass


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
