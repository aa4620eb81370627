"""The emulator as its clients see it: a real process over TLS, with boto3 against it."""

import io
import itertools
import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.aws.aws_emulator_server import ISSUER, Emulator
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process

TRAINER = "system:serviceaccount:north-data:trainer"
HOST = ISSUER.removeprefix("https://")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("emulator"))
    running.start()
    declare(running)
    yield running
    running.kill()


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


@pytest.fixture
def trainer(emulator: Emulator) -> Any:
    return emulator.client("s3", **session(emulator))


def session(emulator: Emulator) -> dict[str, str]:
    return emulator.session("arn:aws:iam::123456789012:role/trainer", emulator.token(TRAINER))


def refused(call: Any, code: str = "AccessDenied", **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return str(caught.value)


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


def test_the_control_interface_is_closed(emulator: Emulator) -> None:
    context = ssl.create_default_context(cafile=str(emulator.folder / "tls.crt"))
    for path in (
        "/moto-api/reset",
        "/moto-api/data.json",
        "/latest/meta-data/iam/",
        "/",
        "//north-raw/features/a.parquet",
    ):
        request = urllib.request.Request(emulator.url + path, method="POST" if "reset" in path else "GET")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, context=context)
        assert caught.value.code == 403
    with urllib.request.urlopen(f"{emulator.url}/_emulator/health", context=context) as health:
        assert health.status == 200


def test_a_presigned_address_works_until_it_is_altered(emulator: Emulator) -> None:
    s3 = emulator.client("s3", signature="s3v4", **session(emulator))
    parameters = {"Bucket": "north-curated", "Key": "features/a.parquet"}
    address = s3.generate_presigned_url("get_object", Params=parameters)
    context = ssl.create_default_context(cafile=str(emulator.folder / "tls.crt"))
    with urllib.request.urlopen(address, context=context) as answer:
        assert answer.read() == b"rows"
    added = urllib.request.Request(address, headers={"x-amz-checksum-mode": "ENABLED"})
    for altered in (address.replace("features/a", "tables/b"), added):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(altered, context=context)
        assert caught.value.code == 403


def test_a_deleted_object_goes_for_good_when_versioning_is_off(emulator: Emulator) -> None:
    s3 = emulator.client("s3")
    s3.put_bucket_versioning(Bucket="north-raw", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="north-raw", Key="gone", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket="north-raw", Key="gone")["VersionId"]
    s3.put_bucket_versioning(Bucket="north-raw", VersioningConfiguration={"Status": "Suspended"})
    named = [{"Key": "gone", "VersionId": one} for one in (version, marker)]
    assert "Errors" not in s3.delete_objects(Bucket="north-raw", Delete={"Objects": named})
    left = s3.list_object_versions(Bucket="north-raw", Prefix="gone")
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "own")
    emulator.start()
    try:
        declare(emulator)
        s3, kms, iam = (emulator.client(name) for name in ("s3", "kms", "iam"))
        s3.put_bucket_versioning(Bucket="north-raw", VersioningConfiguration={"Status": "Enabled"})
        versions = [s3.put_object(Bucket="north-raw", Key="a ü+b", Body=b"%d" % i)["VersionId"] for i in range(3)]
        parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        s3.upload_fileobj(io.BytesIO(b"z" * (11 << 20)), "north-raw", "big", Config=parts)
        upload = s3.create_multipart_upload(Bucket="north-raw", Key="later")["UploadId"]
        part = s3.upload_part(Bucket="north-raw", Key="later", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
        key = kms.describe_key(KeyId="alias/north")["KeyMetadata"]
        secret = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"kept")["CiphertextBlob"]
        role = iam.get_role(RoleName="trainer")["Role"]
        modified = s3.head_object(Bucket="north-raw", Key="a ü+b")["LastModified"]
        pod, credentials = session(emulator), (emulator.folder / "credentials").read_text()
        emulator.restart()
        assert (emulator.folder / "credentials").read_text() == credentials
        s3, kms, iam = (emulator.client(name) for name in ("s3", "kms", "iam"))
        for number, version in enumerate(versions):
            assert s3.get_object(Bucket="north-raw", Key="a ü+b", VersionId=version)["Body"].read() == b"%d" % number
        assert abs((s3.head_object(Bucket="north-raw", Key="a ü+b")["LastModified"] - modified).total_seconds()) <= 1
        assert s3.head_object(Bucket="north-raw", Key="big")["ContentLength"] == 11 << 20
        done = {"Parts": [{"PartNumber": 1, "ETag": part}]}
        s3.complete_multipart_upload(Bucket="north-raw", Key="later", UploadId=upload, MultipartUpload=done)
        assert kms.decrypt(CiphertextBlob=secret)["Plaintext"] == b"kept"
        assert kms.describe_key(KeyId="alias/north")["KeyMetadata"]["Arn"] == key["Arn"]
        assert iam.get_role(RoleName="trainer")["Role"]["RoleId"] == role["RoleId"]
        # Credentials that a pod holds outlive the emulator.
        assert emulator.client("s3", **pod).get_object(Bucket="north-curated", Key="features/a.parquet")
    finally:
        emulator.kill()


def test_what_was_answered_survives_a_kill_under_load(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "own")
    emulator.start()
    answered: dict[str, str] = {}
    enough = threading.Event()
    try:
        s3 = emulator.client("s3")
        s3.create_bucket(Bucket="load")
        s3.put_bucket_versioning(Bucket="load", VersioningConfiguration={"Status": "Enabled"})

        def write(worker: int) -> None:
            for number in itertools.count():
                key = f"{worker}/{number}"
                try:
                    answered[key] = s3.put_object(Bucket="load", Key=key, Body=key.encode() * 1000)["VersionId"]
                except BotoCoreError:
                    return
                if len(answered) >= 60:
                    enough.set()

        workers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        assert enough.wait(30)
        emulator.kill()
        for worker in workers:
            worker.join(30)
        torn = emulator.folder / "data" / "journal.sqlite-wal"
        with torn.open("ab") as file:
            file.write(b"the beginning of a record that was never finished")
        (emulator.folder / "credentials").unlink()
        emulator.start()
        s3 = emulator.client("s3")
        for key, version in answered.items():
            assert s3.get_object(Bucket="load", Key=key, VersionId=version)["Body"].read() == key.encode() * 1000
        kept = s3.list_object_versions(Bucket="load")["Versions"]
        assert len(answered) <= len(kept) <= len(answered) + len(workers)
    finally:
        emulator.kill()


def test_a_deleted_bucket_leaves_no_bytes(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path / "own")
    emulator.start()
    try:
        s3 = emulator.client("s3")
        s3.create_bucket(Bucket="passing")
        s3.put_object(Bucket="passing", Key="a", Body=b"forgettable")
        s3.delete_object(Bucket="passing", Key="a")
        s3.delete_bucket(Bucket="passing")
        emulator.restart()
        assert emulator.log().count("Replayed 0 entries") == 2
        assert emulator.client("s3").list_buckets()["Buckets"] == []
    finally:
        emulator.kill()


def stops_with(emulator: Emulator) -> str:
    ended = subprocess.run(emulator.command(), cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_it_says_in_one_line_why_it_does_not_start(emulator: Emulator, tmp_path: Path) -> None:
    other = Emulator(tmp_path / "other", port=emulator.port)
    assert "is in use" in stops_with(other)
    other = Emulator(tmp_path / "third")
    (other.folder / "tls.crt").unlink()
    assert "tls.crt is missing" in stops_with(other)
    other = Emulator(tmp_path / "fourth")
    (other.folder / "data").mkdir()
    (other.folder / "data" / "journal.sqlite").write_bytes(b"this is no database at all" * 100)
    assert "is corrupt" in stops_with(other)
    other = Emulator(tmp_path / "fifth")
    (other.folder / "data").symlink_to(emulator.folder / "data")
    assert "in use by another emulator" in stops_with(other)


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


@pytest.mark.parametrize("name", ["north-raw.127.0.0.1:{port}", "north-raw.s3.us-east-1.amazonaws.com"])
def test_a_bucket_in_the_name_of_the_host_is_not_taken_from_the_path(emulator: Emulator, name: str) -> None:
    client = emulator.client("s3")

    def rename(request: Any, **_: Any) -> None:
        request.headers["Host"] = name.format(port=emulator.port)

    client.meta.events.register("before-sign.s3", rename)
    assert "path-style" in refused(
        client.get_object, "InvalidRequest", Bucket="north-curated", Key="features/a.parquet"
    )
