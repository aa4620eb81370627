"""Trust and identity policies of AWS, tried as somebody who widens each field that the API has."""

import pytest

from tests.policy.aws_documents import (
    ACCOUNT,
    OTHER,
    PLANNER,
    ROLE,
    ROLE_POLICY,
    Change,
    adding,
    beyond_table,
    first,
    trust,
    with_change,
)

ISSUER = "172.31.250.1:6443"
AUD = {f"{ISSUER}:aud": "sts.amazonaws.com"}
TRUSTS = [
    trust(StringLike={f"{ISSUER}:sub": "system:serviceaccount:*:*", **AUD}),
    trust(StringLike={f"{ISSUER}:sub": "system:serviceaccount:north-serving:*"}),
    trust(StringEquals={f"{ISSUER}:sub": ["system:serviceaccount:north-serving:planner", "system:serviceaccount:x:y"]}),
    trust(StringEquals=AUD),
    trust(StringNotEquals={f"{ISSUER}:sub": "system:serviceaccount:x:y"}),
    trust(StringEqualsIfExists={"other.example:sub": "system:serviceaccount:north-serving:planner"}),
    trust(**{"ForAllValues:StringEquals": {"other.example:sub": "system:serviceaccount:north-serving:planner"}}),
    first(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}),
    adding(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": ACCOUNT}, Action="sts:*"),
    adding(Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": f"arn:aws:iam::{OTHER}:role/x"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": "AROAEXAMPLE"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": "*"}, Action="sts:AssumeRole", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
    adding(Principal="*", Action="*"),
    adding(NotPrincipal={"AWS": PLANNER}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": PLANNER}, Action="sts:AssumeRole"),
    adding(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole"),
    adding(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/sso"}, Action="sts:AssumeRoleWithSAML"),
    adding(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/someone"}, NotAction="sts:TagSession"),
]


@pytest.mark.parametrize("change", TRUSTS)
def test_a_wider_trust_policy_is_refused(change: Change) -> None:
    assert beyond_table(with_change(ROLE, "north-planner", "assumeRolePolicy", change))


IDENTITY = [
    adding(Action="s3:ListBucket", Resource="arn:aws:s3:::hmlops-dev-north-curated"),
    adding(Action="s3:Get*", Resource="arn:aws:s3:::hmlops-dev-*"),
    adding(Action="S3:GETOBJECT", Resource="arn:aws:s3:::hmlops-dev-south-curated/*"),
    adding(NotAction="iam:*", Resource="*"),
    adding(Action="*", NotResource="arn:aws:s3:::hmlops-dev-north-curated/*"),
    adding(Action="s3:*", Resource="arn:aws:s3:::hmlops-dev-south-curated"),
    adding(Action="s3:PutReplicationConfiguration", Resource="*"),
    adding(Action="s3:DeleteObject", Resource="arn:aws:s3:::${aws:PrincipalTag/bucket}/*"),
    adding(Action="s3:ListBucket", Resource="*", Condition={"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}),
    adding(Action="s3:ListBucket", Resource="*", Condition={"Unparsable": {"x": "y"}}),
    adding(Action="kms:PutKeyPolicy", Resource="*"),
    adding(Action="backup:StartRestoreJob", Resource="*"),
    adding(Action="iam:PassRole", Resource="*"),
    adding(Action="iam:UpdateAssumeRolePolicy", Resource=f"arn:aws:iam::{ACCOUNT}:role/hmlops-dev-*"),
    adding(Action="sts:AssumeRole", Resource=f"arn:aws:iam::{ACCOUNT}:role/hmlops-dev-north-ingestor"),
    adding(Action="logs:GetLogEvents", Resource="*"),
    adding(Action="cloudtrail:StopLogging", Resource="*"),
    adding(Action="sns:Subscribe", Resource="*"),
    adding(Action="s3:SomethingNew", Resource="arn:aws:s3:::hmlops-dev-south-curated"),
    # Secrets that others than the stack create: of RDS, of the operator of a database.
    adding(Action="secretsmanager:GetSecretValue", Resource="*"),
    adding(Action="secretsmanager:GetSecretValue", Resource="arn:aws:secretsmanager:*:*:secret:rds!cluster-*"),
    adding(Action="secretsmanager:*", Resource=f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:x-??????"),
]


@pytest.mark.parametrize("change", IDENTITY)
def test_a_wider_identity_policy_is_refused(change: Change) -> None:
    (one, *_) = beyond_table(with_change(ROLE_POLICY, "south-planner", "policy", change))
    assert "ServiceAccount south-serving/planner -> role south-planner" in one.message
