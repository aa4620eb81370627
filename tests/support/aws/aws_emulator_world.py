"""Two hospitals in the AWS emulator: their buckets and keys, and a workload with a role."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws.aws_emulator_server import ISSUER, Emulator

TRAINER = "system:serviceaccount:north-data:trainer"
HOST = ISSUER.removeprefix("https://")


def declare(emulator: Emulator) -> None:
    """Declare two hospitals' buckets and keys and the trainer of one of them."""
    iam, s3, kms = (emulator.client(name) for name in ("iam", "s3", "kms"))
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40])
    for hospital in ("north", "south"):
        key = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName=f"alias/{hospital}", TargetKeyId=key["KeyId"])
        for kind in ("raw", "curated"):
            bucket = f"{hospital}-{kind}"
            s3.create_bucket(Bucket=bucket)
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]}}
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
            s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(tls_only(bucket)))
            s3.put_object(Bucket=bucket, Key="features/a.parquet", Body=b"rows")
            s3.put_object(Bucket=bucket, Key="tables/b.parquet", Body=b"rows")
    role = iam.create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps(trust(TRAINER)))["Role"]
    north = kms.describe_key(KeyId="alias/north")["KeyMetadata"]["Arn"]
    iam.put_role_policy(RoleName="trainer", PolicyName="data", PolicyDocument=json.dumps(trainer_policy(north)))
    assert role["Arn"].endswith(":role/trainer")


def tls_only(bucket: str) -> dict[str, Any]:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def trust(subject: str) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{HOST}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{HOST}:sub": subject, f"{HOST}:aud": "sts.amazonaws.com"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def trainer_policy(key: str) -> dict[str, Any]:
    objects = "arn:aws:s3:::north-curated/features/*"
    prefix = {"StringLike": {"s3:prefix": "features/*"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::north-curated",
                "Condition": prefix,
            },
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": objects},
            {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key},
            {
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:own-??????",
            },
        ],
    }


def session(emulator: Emulator) -> dict[str, str]:
    return emulator.session("arn:aws:iam::123456789012:role/trainer", emulator.token(TRAINER))


def refused(call: Any, code: str = "AccessDenied", **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return str(caught.value)
