"""Conditions of IAM are met, are not, or depend on the request."""

from typing import Any

import pytest

from policy_pack.facts.iam.conditions import Outcome, evaluate
from policy_pack.facts.iam.documents import statements
from policy_pack.stack.values import View
from tests.policy.builders import document


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"aws:PrincipalArn": "arn:a"}}, Outcome.MET),
        ({"StringNotEquals": {"aws:PrincipalArn": "arn:a"}}, Outcome.NOT_MET),
        ({"StringLikeIfExists": {"aws:principalarn": "arn:*"}}, Outcome.MET),
        ({"Null": {"aws:PrincipalArn": "false"}}, Outcome.MET),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, Outcome.DEPENDS),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, Outcome.DEPENDS),
        ({"StringEquals": {"aws:SourceVpce": "x", "aws:PrincipalArn": "arn:b"}}, Outcome.NOT_MET),
    ],
)
def test_conditions_are_met_or_depend_on_the_request(condition: dict[str, Any], expected: Outcome) -> None:
    [statement] = statements(View(document({"Effect": "Allow", "Action": "*", "Condition": condition})))
    assert evaluate(statement, {"aws:principalarn": "arn:a"}) is expected
