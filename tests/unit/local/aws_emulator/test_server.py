"""The emulator as its clients see it: a real process over TLS, which keeps what it answered."""

import io
import itertools
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError

from tests.support.aws.aws_emulator_server import Emulator
from tests.support.aws.aws_emulator_world import declare, refused, session
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process


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


@pytest.mark.parametrize("name", ["north-raw.127.0.0.1:{port}", "north-raw.s3.us-east-1.amazonaws.com"])
def test_a_bucket_in_the_name_of_the_host_is_not_taken_from_the_path(emulator: Emulator, name: str) -> None:
    client = emulator.client("s3")

    def rename(request: Any, **_: Any) -> None:
        request.headers["Host"] = name.format(port=emulator.port)

    client.meta.events.register("before-sign.s3", rename)
    assert "path-style" in refused(
        client.get_object, "InvalidRequest", Bucket="north-curated", Key="features/a.parquet"
    )
