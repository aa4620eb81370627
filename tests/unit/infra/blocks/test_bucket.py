"""What a bucket's settings mean: whom its policy stops, what is locked, recorded, copied and kept."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.blocks.bucket import Bucket, BucketArgs, Retention
from infra.blocks.bucket_policy import WriteOnce, bucket_policy
from infra.settings import DataClass
from local.aws_emulator.access.policies import Ask, Principal, Verdict, judge
from tests.support.stack.mocked_stack import Declared, Mocks, Stack, declare, run, settings

ACCOUNT = "123456789012"
ARN = "arn:aws:s3:::north-raw"
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
POLICY = bucket_policy(ARN, "arn:key", ACCOUNT, [READER], [])
DATA = ("GetObject", "GetObjectVersion", "PutObject", "PutObjectRetention", "DeleteObject", "BypassGovernanceRetention")
CARES = ("PutBucketPolicy", "DeleteBucketPolicy", "GetBucketVersioning", "PutLifecycleConfiguration", "ListBucket")


def denied(policy: str, who: str, action: str, key: str = "a", **more: str) -> bool:
    seen = {
        "aws:securetransport": "true",
        "aws:principalarn": who,
        "aws:principalaccount": ACCOUNT,
        "s3:tlsversion": "1.3",
        **{name.replace("_", ":", 1): value for name, value in more.items()},
    }
    context = {name: (value,) for name, value in seen.items()}
    resource = ARN if "Bucket" in action else f"{ARN}/{key}"
    principal = Principal(who, ACCOUNT, frozenset({who}))
    return judge(policy, Ask(f"s3:{action}", resource, context), principal) is Verdict.DENY


@pytest.mark.parametrize("action", DATA)
def test_only_who_is_named_touches_objects(action: str) -> None:
    assert not denied(POLICY, READER, action)
    assert denied(POLICY, OTHER, action)
    assert denied(bucket_policy(ARN, "arn:key", ACCOUNT, [], []), READER, action)
    assert not denied(bucket_policy(ARN, "arn:key", ACCOUNT, None, []), OTHER, action)


@pytest.mark.parametrize("action", CARES)
def test_administration_is_never_locked_out(action: str) -> None:
    assert not denied(POLICY, OTHER, action)


def test_amazon_s_own_services_are_not_strangers() -> None:
    assert not denied(POLICY, "", "PutObject", aws_principalisawsservice="true")
    assert denied(POLICY, OTHER, "PutObject", aws_principalisawsservice="false")


def test_another_account_is_refused_whatever_it_asks() -> None:
    assert denied(POLICY, READER, "ListBucket", aws_principalaccount="210987654321")


@pytest.mark.parametrize("way", [{"aws_securetransport": "false"}, {"s3_tlsversion": "1.1"}, {"s3_tlsversion": "1.0"}])
def test_plain_and_old_connections_are_refused_to_everybody(way: dict[str, str]) -> None:
    assert denied(POLICY, READER, "GetObject", **way)
    assert denied(POLICY, READER, "ListBucket", **way)


def test_no_other_key_encrypts() -> None:
    sse = "s3_x-amz-server-side-encryption"
    assert denied(POLICY, READER, "PutObject", **{sse: "AES256"})
    assert denied(POLICY, READER, "PutObject", **{sse: "aws:kms", f"{sse}-aws-kms-key-id": "arn:other"})
    assert not denied(POLICY, READER, "PutObject", **{sse: "aws:kms", f"{sse}-aws-kms-key-id": "arn:key"})


def test_a_service_delivers_for_this_account_alone() -> None:
    said = json.loads(bucket_policy(ARN, None, ACCOUNT, None, ["logging.s3.amazonaws.com"]))["Statement"]
    allowed = [statement for statement in said if statement["Effect"] == "Allow"]
    assert len(allowed) == 2
    for statement in allowed:
        assert statement["Principal"] == {"Service": "logging.s3.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        assert statement["Sid"].isalnum()
    # Amazon's own key encrypts, so no statement asks for another.
    assert not any("KeyOnly" in statement["Sid"] or "KmsOnly" in statement["Sid"] for statement in said)


BACKUP = f"arn:aws:iam::{ACCOUNT}:role/backup"
ONCE = bucket_policy(ARN, None, ACCOUNT, None, [], [WriteOnce("releases/", (READER,), (BACKUP,))])


@pytest.mark.parametrize(
    ("who", "condition", "creates", "refused"),
    [
        (READER, "*", "true", False),
        (READER, "", "true", True),
        (READER, "", "false", False),
        (OTHER, "*", "true", True),
        (OTHER, "", "false", True),
        (BACKUP, "", "true", False),
    ],
    ids=["creates", "replaces", "part of an upload", "other creates", "other's part", "restores"],
)
def test_what_is_written_once_is_created_by_its_writers_alone(
    who: str, condition: str, creates: str, refused: bool
) -> None:
    more = {"s3_objectcreationoperation": creates, **({"s3_if-none-match": condition} if condition else {})}
    assert denied(ONCE, who, "PutObject", "releases/v1/a", **more) is refused
    assert not denied(ONCE, who, "PutObject", "reports/a", **more)
    assert not denied(ONCE, who, "GetObject", "releases/v1/a")


def test_a_bucket_of_logs_has_amazon_s_own_key_and_records_nothing_of_itself(tmp_path: Path) -> None:
    made, chosen = Stack(), settings("prod", tmp_path)
    pulumi.runtime.set_mocks(Mocks(made), project="healthcare-mlops", stack="prod")
    run(lambda: Bucket("logs", BucketArgs(chosen, "logs", {}, None, Retention(days=400))))
    [encryption] = made.of("BucketServerSideEncryptionConfiguration")
    [rule] = encryption.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    with pytest.raises(LookupError):
        made.of("BucketLogging")


# --- the buckets of a hospital --------------------------------------------------------------------
@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def aliased(written: dict[str, Any]) -> None:
    written["hospitals"][0]["keys"] = {"raw": "alias/north-landing"}


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod"), aliased))


def of_north(stack: Stack, kind: str) -> Mapping[str, Declared]:
    found = {r.inputs["bucket"]: r for r in stack.of(kind) if r.name.startswith("north-")}
    assert found
    return found


def test_records_and_releases_are_locked_where_the_tier_says(dev: Stack, prod: Stack) -> None:
    with pytest.raises(LookupError):
        dev.of("BucketObjectLockConfiguration")
    kept = {
        name: lock.inputs["rule"]["defaultRetention"]
        for name, lock in of_north(prod, "BucketObjectLockConfiguration").items()
    }
    audit, models = {"mode": "COMPLIANCE", "days": 2555}, {"mode": "GOVERNANCE", "days": 2190}
    assert kept == {
        "hmlops-prod-north-audit": audit,
        "hmlops-prod-north-audit-replica": audit,
        "hmlops-prod-north-models": models,
        "hmlops-prod-north-models-replica": models,
    }
    locked = {name for name, bucket in of_north(prod, "Bucket").items() if bucket.inputs["objectLockEnabled"]}
    assert locked == kept.keys()


def test_every_class_has_a_copy_under_a_key_of_the_second_region(prod: Stack) -> None:
    originals = {f"hmlops-prod-north-{data}" for data in DataClass}
    assert of_north(prod, "Bucket").keys() == originals | {f"{name}-replica" for name in originals}
    rules = of_north(prod, "BucketReplicationConfig")
    assert rules.keys() == originals
    for name, replication in rules.items():
        [rule] = replication.inputs["rules"]
        data = name.removeprefix("hmlops-prod-")
        assert rule["destination"]["bucket"] == f"arn:aws:s3:::{name}-replica"
        key = rule["destination"]["encryptionConfiguration"]["replicaKmsKeyId"]
        assert key.endswith(f":key/{data}-replica")
        assert rule["sourceSelectionCriteria"]["sseKmsEncryptedObjects"]["status"] == rule["status"] == "Enabled"


def test_copies_are_made_where_the_tier_says(dev: Stack) -> None:
    with pytest.raises(LookupError):
        dev.of("BucketReplicationConfig")
    assert not any("replica" in resource.name or "replication" in resource.name for resource in dev.resources)


def test_access_is_recorded_in_the_bucket_of_the_region(prod: Stack) -> None:
    for name, logging in of_north(prod, "BucketLogging").items():
        second = name.endswith("-replica")
        assert logging.inputs["targetBucket"].endswith("-second") is second
        assert logging.inputs["targetPrefix"] == f"{name}/"


def test_originals_alone_are_backed_up(prod: Stack) -> None:
    for name, bucket in of_north(prod, "Bucket").items():
        tags = bucket.inputs["tags"]
        assert (tags.get("healthcare-mlops/backup") == "daily") is not name.endswith("-replica")
        assert tags["healthcare-mlops/hospital"] == "north"
        assert tags["healthcare-mlops/phi"] == ("false" if "-models" in name else "true")


def test_a_hospital_names_its_own_keys(prod: Stack) -> None:
    aliases = {alias.name: alias.inputs["name"] for alias in prod.of("Alias")}
    assert aliases["north-raw"] == "alias/north-landing"
    assert aliases["north-curated"] == "alias/hmlops-prod-north-curated"
