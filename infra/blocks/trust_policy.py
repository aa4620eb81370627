"""Trust policies of IAM roles that AWS services and people assume."""

from collections.abc import Sequence

from infra.blocks.iam_policy import Statement, policy_document
from infra.blocks.kms_key_policy import Condition

ASSUME = ("sts:AssumeRole",)
# Maximum session duration of people, and maximum age of their second factor.
HOUR = 3600


def service_trust(service: str, condition: Condition | None = None, actions: Sequence[str] = ASSUME) -> str:
    """Return a trust policy by which one AWS service may assume a role.

    Parameters
    ----------
    service
        Name of the service, such as ``backup``.
    condition
        The account or resource on whose behalf it acts; None for services that do not set it.
    actions
        The STS actions.
    """
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": list(actions) if len(actions) > 1 else actions[0],
    }
    if condition:
        statement["Condition"] = condition
    return policy_document(statement)


def person_trust(account: str) -> str:
    """Return a trust policy for principals of the account that authenticated with MFA within the last hour."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "Bool": {"aws:MultiFactorAuthPresent": "true"},
            "NumericLessThan": {"aws:MultiFactorAuthAge": str(HOUR)},
        },
    }
    return policy_document(statement)


def source_account(account: str) -> Condition:
    """Return the condition that a service acts on behalf of this account."""
    return {"StringEquals": {"aws:SourceAccount": account}}
