"""What the account refuses by itself, whoever asks: short passwords and public buckets."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import iam, s3


@dataclass(frozen=True)
class DefaultsArgs:
    """Whose defaults these are.

    Parameters
    ----------
    account
        The account.
    """

    account: str


class Defaults(pulumi.ComponentResource):
    """Settings of the account, each of which is there once."""

    def __init__(self, name: str, args: DefaultsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
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
            account_id=args.account,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        self.register_outputs({})
