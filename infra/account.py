"""The AWS account: whatever the environment's credentials open, in the region of the settings."""

import pulumi_aws as aws

from infra.settings import Settings


def account(settings: Settings) -> aws.Provider:
    """Return the provider of the account; address and credentials are the environment's own."""
    return aws.Provider("aws", region=settings.region)
