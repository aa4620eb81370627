"""What the emulator lets a workload do: its role, the policies of buckets and keys, and its web identity."""

import io
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.aws.aws_emulator_server import Emulator
from tests.support.aws.aws_emulator_world import TRAINER, refused, session

pytestmark = pytest.mark.process


def test_the_administrator_is_who_the_credentials_say(emulator: Emulator) -> None:
    assert emulator.client("sts").get_caller_identity()["Arn"].endswith(":user/hmlops-admin")
    assert (emulator.folder / "credentials").stat().st_mode & 0o777 == 0o600


def test_a_workload_reads_what_its_role_allows(trainer: Any) -> None:
    assert trainer.get_object(Bucket="north-curated", Key="features/a.parquet")["Body"].read() == b"rows"
    trainer.put_object(Bucket="north-curated", Key="features/new", Body=io.BytesIO(b"x"))
    listed = trainer.list_objects_v2(Bucket="north-curated", Prefix="features/")
    assert [item["Key"] for item in listed["Contents"]] == ["features/a.parquet", "features/new"]


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("north-curated", "tables/b.parquet"),
        ("north-raw", "features/a.parquet"),
        ("south-curated", "features/a.parquet"),
        ("south-raw", "features/a.parquet"),
    ],
)
def test_a_workload_reads_nothing_else(trainer: Any, bucket: str, key: str) -> None:
    refused(trainer.get_object, Bucket=bucket, Key=key)
    refused(trainer.put_object, Bucket=bucket, Key=key, Body=b"x")
    refused(trainer.delete_object, Bucket=bucket, Key=key)
    refused(trainer.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    refused(trainer.copy_object, Bucket="north-curated", Key="features/x", CopySource={"Bucket": bucket, "Key": key})


def test_listing_keeps_to_the_prefix(trainer: Any) -> None:
    refused(trainer.list_objects_v2, Bucket="north-curated")
    refused(trainer.list_objects_v2, Bucket="north-curated", Prefix="tables/")
    refused(trainer.list_objects_v2, Bucket="south-curated", Prefix="features/")
    refused(trainer.list_object_versions, Bucket="north-curated", Prefix="features/")
    refused(trainer.list_buckets)
    refused(trainer.get_bucket_policy, Bucket="north-curated")
    refused(trainer.delete_bucket, Bucket="north-curated")


def test_reading_needs_the_key_of_the_bucket(emulator: Emulator) -> None:
    iam = emulator.client("iam")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}]}
    iam.put_role_policy(RoleName="trainer", PolicyName="no-key", PolicyDocument=json.dumps(deny))
    s3 = emulator.client("s3", **session(emulator))
    text = refused(s3.get_object, Bucket="north-curated", Key="features/a.parquet")
    assert "kms:Decrypt" in text
    iam.delete_role_policy(RoleName="trainer", PolicyName="no-key")
    assert s3.get_object(Bucket="north-curated", Key="features/a.parquet")


def test_keys_of_another_hospital_are_closed(emulator: Emulator) -> None:
    kms, administrator = emulator.client("kms", **session(emulator)), emulator.client("kms")
    south = administrator.encrypt(KeyId="alias/south", Plaintext=b"secret")["CiphertextBlob"]
    north = administrator.encrypt(KeyId="alias/north", Plaintext=b"own")["CiphertextBlob"]
    own = administrator.describe_key(KeyId="alias/north")["KeyMetadata"]["Arn"]
    assert kms.decrypt(CiphertextBlob=north, KeyId=own)["Plaintext"] == b"own"
    refused(kms.decrypt, "AccessDeniedException", CiphertextBlob=south)
    refused(kms.decrypt, "AccessDeniedException", CiphertextBlob=south, KeyId=own)
    refused(kms.generate_data_key, "AccessDeniedException", KeyId="alias/south", KeySpec="AES_256")
    refused(kms.schedule_key_deletion, "AccessDeniedException", KeyId=own)


def test_secrets_of_others_are_closed(emulator: Emulator) -> None:
    secrets, administrator = emulator.client("secretsmanager", **session(emulator)), emulator.client("secretsmanager")
    arns = {name: administrator.create_secret(Name=name, SecretString=name)["ARN"] for name in ("own", "own-other")}
    for name in ("own", arns["own"]):
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == "own"
        refused(secrets.put_secret_value, "AccessDeniedException", SecretId=name, SecretString="x")
    for name in ("own-other", arns["own-other"], "absent"):
        refused(secrets.get_secret_value, "AccessDeniedException", SecretId=name)
    refused(secrets.list_secrets, "AccessDeniedException")


def test_a_bucket_policy_denies_and_allows(emulator: Emulator, trainer: Any) -> None:
    administrator = emulator.client("s3")
    administrator.create_bucket(Bucket="shared")
    administrator.put_object(Bucket="shared", Key="open/a", Body=b"x")
    refused(trainer.get_object, Bucket="shared", Key="open/a")
    grant = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:role/trainer"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::shared/open/*",
    }
    document = {"Version": "2012-10-17", "Statement": [grant]}
    administrator.put_bucket_policy(Bucket="shared", Policy=json.dumps(document))
    assert trainer.get_object(Bucket="shared", Key="open/a")["Body"].read() == b"x"
    deny = {**grant, "Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    document = {"Version": "2012-10-17", "Statement": [grant, deny]}
    administrator.put_bucket_policy(Bucket="shared", Policy=json.dumps(document))
    refused(trainer.get_object, Bucket="shared", Key="open/a")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"subject": "system:serviceaccount:south-data:trainer"}, "AccessDenied"),
        ({"aud": ["https://kubernetes.default.svc"]}, "InvalidIdentityToken"),
        ({"iss": "https://elsewhere"}, "InvalidIdentityToken"),
        ({"key": rsa.generate_private_key(65537, 2048)}, "InvalidIdentityToken"),
        ({"exp": time.time() - 60}, "ExpiredTokenException"),
    ],
)
def test_a_web_identity_must_verify_and_be_trusted(emulator: Emulator, claims: dict[str, Any], code: str) -> None:
    arguments = dict(claims)
    token = emulator.token(arguments.pop("subject", TRAINER), **arguments)
    with pytest.raises(ClientError) as caught:
        emulator.session("arn:aws:iam::123456789012:role/trainer", token)
    assert caught.value.response["Error"]["Code"] == code
    assert token not in emulator.log()


def test_an_unknown_role_is_refused_as_an_untrusting_one(emulator: Emulator) -> None:
    with pytest.raises(ClientError) as caught:
        emulator.session("arn:aws:iam::123456789012:role/absent", emulator.token(TRAINER))
    assert caught.value.response["Error"]["Code"] == "AccessDenied"


def test_no_credentials_and_wrong_ones_are_refused(emulator: Emulator) -> None:
    refused(emulator.anonymous("s3").get_object, Bucket="north-raw", Key="features/a.parquet")
    wrong = {"aws_access_key_id": "AKIA0000000000000000", "aws_secret_access_key": "x" * 40}
    refused(emulator.client("s3", **wrong).list_buckets, "InvalidAccessKeyId")
    own = session(emulator)
    refused(emulator.client("s3", **{**own, "aws_secret_access_key": "x" * 40}).list_buckets, "SignatureDoesNotMatch")
    refused(emulator.client("s3", **{**own, "aws_session_token": "x.y.z"}).list_buckets, "InvalidToken")


def test_a_session_is_no_longer_than_its_role_allows(emulator: Emulator) -> None:
    """The trainer's role has the hour of a role that names no time."""
    role, iam = "arn:aws:iam::123456789012:role/trainer", emulator.client("iam")
    sts = emulator.client("sts")
    asked = {"RoleArn": role, "RoleSessionName": "x1", "WebIdentityToken": emulator.token(TRAINER)}
    told = refused(sts.assume_role_with_web_identity, "ValidationError", **asked, DurationSeconds=3601)
    assert "exceeds the MaxSessionDuration" in told
    assert sts.assume_role_with_web_identity(**asked, DurationSeconds=3600)["Credentials"]
    iam.update_role(RoleName="trainer", MaxSessionDuration=43200)
    try:
        assert sts.assume_role_with_web_identity(**asked, DurationSeconds=43200)["Credentials"]
    finally:
        iam.update_role(RoleName="trainer", MaxSessionDuration=3600)
