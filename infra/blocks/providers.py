"""AWS providers of the two regions; credentials come from the environment."""

from dataclasses import dataclass

import pulumi_aws as aws

from infra.settings import Settings


@dataclass(frozen=True)
class AwsAccount:
    """Providers of the AWS account.

    Parameters
    ----------
    primary
        Provider of the primary region.
    secondary
        Provider of the second region, which holds replicas and copies of backups.
    """

    primary: aws.Provider
    secondary: aws.Provider


def aws_account(settings: Settings) -> AwsAccount:
    """Declare the AWS providers, which refuse credentials of another account."""
    allowed = [settings.account]
    return AwsAccount(
        primary=aws.Provider("aws", region=settings.region, allowed_account_ids=allowed),
        secondary=aws.Provider("aws-second", region=settings.second_region, allowed_account_ids=allowed),
    )
