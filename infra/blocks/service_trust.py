"""Which AWS service may take a role, and for whom."""

import json
from collections.abc import Sequence

from infra.blocks.kms_key_policy import Condition

ASSUME = ("sts:AssumeRole",)
# The longest that a person is somebody else.
HOUR = 3600


def service_trust(service: str, condition: Condition | None = None, actions: Sequence[str] = ASSUME) -> str:
    """Return a policy by which one AWS service may take a role.

    Parameters
    ----------
    service
        Its name, such as ``backup``.
    condition
        For whom it must act; None where the service does not say.
    actions
        How it takes the role.
    """
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": list(actions) if len(actions) > 1 else actions[0],
    }
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def person_trust(account: str) -> str:
    """Return that whoever of the account is allowed to take the role has shown a second factor within the hour."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "Bool": {"aws:MultiFactorAuthPresent": "true"},
            "NumericLessThan": {"aws:MultiFactorAuthAge": str(HOUR)},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def for_account(account: str) -> Condition:
    """Return that a service acts for an account and no other."""
    return {"StringEquals": {"aws:SourceAccount": account}}
