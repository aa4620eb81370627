"""The AWS account: whatever the environment's credentials open, in the two regions of the settings."""

from dataclasses import dataclass

import pulumi_aws as aws

from infra.settings.values import Settings


@dataclass(frozen=True)
class Account:
    """The account in each of its regions.

    Parameters
    ----------
    here
        Deploys to the region where everything runs.
    second
        Deploys to the region that copies go to.
    """

    here: aws.Provider
    second: aws.Provider


def account(settings: Settings) -> Account:
    """Return the account; credentials are the environment's own, and those of another account are refused."""
    allowed = [settings.account]
    return Account(
        here=aws.Provider("aws", region=settings.region, allowed_account_ids=allowed),
        second=aws.Provider("aws-second", region=settings.second_region, allowed_account_ids=allowed),
    )
