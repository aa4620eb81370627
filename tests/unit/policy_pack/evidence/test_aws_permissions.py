"""The permissions of an AWS account, read as the nightly audit reads them."""

import json
from typing import Any

import boto3
import botocore.exceptions
import pytest

from policy_pack.errors import PackError
from policy_pack.evidence import aws_permissions
from policy_pack.stack.graph import Graph
from policy_pack.stack.live import AWS, Permission, document
from tests.policy.builders import STACK, build

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def test_users_roles_groups_policies_and_key_grants_are_read(store: Any) -> None:
    iam, kms = boto3.client("iam"), boto3.client("kms")
    iam.create_role(RoleName="planner", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.put_role_policy(RoleName="planner", PolicyName="data", PolicyDocument=json.dumps(ALLOW))
    managed = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]
    iam.create_user(UserName="mallory")
    iam.attach_user_policy(UserName="mallory", PolicyArn=managed)
    iam.create_group(GroupName="staff")
    iam.put_group_policy(GroupName="staff", PolicyName="all", PolicyDocument=json.dumps(ALLOW))
    key = kms.create_key(Policy=json.dumps(ALLOW))["KeyMetadata"]
    grant = kms.create_grant(
        KeyId=key["KeyId"], GranteePrincipal="arn:aws:iam::123456789012:user/mallory", Operations=["Decrypt"]
    )["GrantId"]
    store.create_bucket(Bucket="raw")
    store.put_bucket_policy(Bucket="raw", Policy=json.dumps(ALLOW))
    graph = Graph(
        [
            build("aws:s3/bucket:Bucket", "raw", {"bucket": "raw", "arn": "arn:aws:s3:::raw"}),
            build("aws:s3/bucket:Bucket", "gone", {"bucket": "gone", "arn": "arn:aws:s3:::gone"}),
            build("aws:kms/key:Key", "raw", {"arn": key["Arn"]}),
        ],
        STACK,
    )
    found = {permission: permission.content for permission in aws_permissions.read(graph)}
    assert found == {
        Permission(AWS, "role", "planner"): document(TRUST),
        Permission(AWS, "inline policy", "role/planner/data"): document(ALLOW),
        Permission(AWS, "user", "mallory"): "",
        Permission(AWS, "attached policy", f"user/mallory/{managed}"): "",
        Permission(AWS, "group", "staff"): "",
        Permission(AWS, "inline policy", "group/staff/all"): document(ALLOW),
        Permission(AWS, "managed policy", managed): document(ALLOW),
        Permission(AWS, "bucket policy", "raw"): document(ALLOW),
        Permission(AWS, "key policy", key["Arn"]): document(ALLOW),
        Permission(AWS, "key grant", f"{key['Arn']}/{grant}"): "",
    }


def test_an_account_that_refuses_or_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "GetAccountAuthorizationDetails")
    silent = botocore.exceptions.EndpointConnectionError(endpoint_url="https://iam.example")
    for error, text in ((denied, "AccessDenied"), (silent, "omit --live aws")):

        def fail(*_: object, error: Exception = error, **__: object) -> Any:
            raise error

        monkeypatch.setattr(aws_permissions, "_new_client", fail)
        with pytest.raises(PackError, match=text):
            aws_permissions.read(Graph([], STACK))
