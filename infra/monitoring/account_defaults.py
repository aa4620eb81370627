"""Account-wide settings: IAM password policy and S3 Block Public Access."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import iam, s3


@dataclass(frozen=True)
class AccountDefaultsArgs:
    """Arguments of the account-wide settings.

    Parameters
    ----------
    account_id
        The AWS account.
    """

    account_id: str


class AccountDefaults(pulumi.ComponentResource):
    """IAM password policy and S3 Block Public Access of the account."""

    def __init__(self, name: str, args: AccountDefaultsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Defaults", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        iam.AccountPasswordPolicy(
            name,
            minimum_password_length=14,
            password_reuse_prevention=24,
            max_password_age=90,
            require_lowercase_characters=True,
            require_uppercase_characters=True,
            require_numbers=True,
            require_symbols=True,
            allow_users_to_change_password=True,
            opts=child,
        )
        s3.AccountPublicAccessBlock(
            name,
            account_id=args.account_id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        self.register_outputs({})
