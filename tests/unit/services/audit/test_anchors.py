"""Anchors in a bucket with object lock: signed, never overwritten, and read in every version."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hvac
import pytest
from botocore.exceptions import ClientError

from model.release.signing import LocalSigner, Signer, VaultSigner
from services.audit import anchors
from services.audit.anchors import RETENTION_DAYS, Anchor, AnchorBucket
from services.audit.errors import AuditError
from tests.support.vault.bao_server import HOSPITAL, bao

BUCKET = "north-audit"
AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
ANCHOR = Anchor("north", 12, bytes(range(32)), AT)


@pytest.fixture
def signer(tmp_path: Path) -> LocalSigner:
    return LocalSigner(tmp_path / "audit.key")


@pytest.fixture
def bucket(store: Any) -> AnchorBucket:
    store.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    lock(store, {"Mode": "COMPLIANCE", "Days": RETENTION_DAYS})
    return AnchorBucket(f"s3://{BUCKET}/north")


def lock(store: Any, retention: dict[str, Any]) -> None:
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
    store.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=configuration)


def keys(signer: Signer) -> frozenset[str]:
    return frozenset(signer.public_keys().values())


def test_an_anchor_is_read_as_it_was_signed(bucket: AnchorBucket, signer: LocalSigner) -> None:
    bucket.require_lock()
    assert bucket.latest() is None
    assert list(bucket.all()) == []
    bucket.put(ANCHOR, signer)
    [stored] = bucket.all()
    assert anchors.read(stored.content, "north", keys(signer)) == ANCHOR
    assert stored.name.startswith("north/chain/")


def test_the_latest_anchor_is_that_of_the_last_record(bucket: AnchorBucket, signer: LocalSigner) -> None:
    for sequence in (9, 100, 10, 99):
        bucket.put(replace(ANCHOR, sequence=sequence), signer)
    latest = bucket.latest()
    assert latest is not None
    assert anchors.read(latest.content, "north", keys(signer)).sequence == 100


def test_a_stored_anchor_cannot_be_deleted_or_replaced(bucket: AnchorBucket, signer: LocalSigner, store: Any) -> None:
    bucket.put(ANCHOR, signer)
    with pytest.raises(AuditError, match="PreconditionFailed"):
        bucket.put(ANCHOR, signer)
    [version] = store.list_object_versions(Bucket=BUCKET)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        store.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    # A new version and a delete marker hide it from other readers.
    store.put_object(Bucket=BUCKET, Key=version["Key"], Body=b"another")
    store.delete_object(Bucket=BUCKET, Key=version["Key"])
    assert bucket.latest() is None
    contents = [stored.content for stored in bucket.all()]
    assert sorted(contents) == sorted([b"another", ANCHOR.signed(signer)])


@pytest.mark.parametrize(
    "retention",
    [
        {"Mode": "GOVERNANCE", "Days": RETENTION_DAYS},
        {"Mode": "COMPLIANCE", "Days": RETENTION_DAYS - 1},
        {"Mode": "COMPLIANCE", "Years": 5},
    ],
)
def test_a_weaker_lock_is_refused(bucket: AnchorBucket, store: Any, retention: dict[str, Any]) -> None:
    lock(store, retention)
    with pytest.raises(AuditError, match="has no object lock"):
        bucket.require_lock()


def test_a_bucket_without_lock_or_at_all_is_named(store: Any) -> None:
    store.create_bucket(Bucket="plain")
    with pytest.raises(AuditError, match="plain has no object lock"):
        AnchorBucket("s3://plain").require_lock()
    for call in (AnchorBucket("s3://absent").require_lock, AnchorBucket("s3://absent").latest):
        with pytest.raises(AuditError, match="absent answers NoSuchBucket"):
            call()
    with pytest.raises(AuditError, match="absent answers NoSuchBucket"):
        list(AnchorBucket("s3://absent").all())
    for place in ("north-audit", "s3://", "https://bucket"):
        with pytest.raises(AuditError, match="is not a bucket"):
            AnchorBucket(place)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", 13),
        ("sequence", 12.0),
        ("sequence", True),
        ("sequence", "12"),
        ("hash", "00" * 32),
        ("hash", "xy"),
        ("hospital", 7),
        ("type", "another"),
        ("anchored_at", "2026-11-03T09:31:00.000000Z"),
        ("anchored_at", None),
        ("public_key", "AAAA"),
        ("signature", "AAAA"),
        ("signature", None),
        ("more", 1),
    ],
)
def test_a_changed_anchor_is_refused(signer: LocalSigner, field: str, value: object) -> None:
    content = json.dumps(json.loads(ANCHOR.signed(signer)) | {field: value}, separators=(",", ":"), sort_keys=True)
    with pytest.raises(AuditError):
        anchors.read(content.encode(), "north", keys(signer))


def test_a_missing_field_is_refused(signer: LocalSigner) -> None:
    plain = json.loads(ANCHOR.signed(signer))
    for field in plain:
        rest = {name: value for name, value in plain.items() if name != field}
        content = json.dumps(rest, separators=(",", ":"), sort_keys=True).encode()
        with pytest.raises(AuditError, match="is not an anchor"):
            anchors.read(content, "north", keys(signer))


def test_only_a_trusted_key_and_this_hospital_count(signer: LocalSigner, tmp_path: Path) -> None:
    content = ANCHOR.signed(signer)
    with pytest.raises(AuditError, match="another hospital"):
        anchors.read(content, "south", keys(signer))
    with pytest.raises(AuditError, match="trusted key"):
        anchors.read(content, "north", keys(LocalSigner(tmp_path / "stranger.key")))
    later = replace(ANCHOR, anchored_at=AT + timedelta(1)).signed(signer)
    assert anchors.read(later, "north", keys(signer)).anchored_at == AT + timedelta(1)


@dataclass(frozen=True)
class Root:
    """Vault's transit engine with a token that may do everything."""

    client: hvac.Client

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(self.client.adapter.post(f"/v1/{path}", json=body)["data"])

    def get(self, path: str) -> dict[str, Any]:
        return dict(self.client.adapter.get(f"/v1/{path}")["data"])


@pytest.mark.process
def test_a_key_in_vault_signs_anchors_and_is_rotated(tmp_path: Path) -> None:
    with bao(tmp_path) as server:
        for name in ("audit-signing", "release-signing"):
            server.root.secrets.transit.create_key(name, key_type="ed25519", mount_point=f"{HOSPITAL}/transit")
        signer, other = (
            VaultSigner(Root(server.root), f"{HOSPITAL}/transit", name) for name in ("audit-signing", "release-signing")
        )
        contents = [ANCHOR.signed(signer)]
        server.rotate("audit-signing")
        contents.append(ANCHOR.signed(signer))
        trusted = keys(signer)
        assert len(trusted) == 2
        assert [anchors.read(content, "north", trusted) for content in contents] == [ANCHOR, ANCHOR]
        with pytest.raises(AuditError, match="trusted key"):
            anchors.read(ANCHOR.signed(other), "north", trusted)
