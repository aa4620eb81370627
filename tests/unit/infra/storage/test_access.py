"""Who reaches which data, through IAM, bucket policies and key policies together, as the emulator judges them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from infra.blocks.bucket_grants import BucketGrant
from infra.settings import DataClass
from local.aws_emulator.access.policies import Ask, Principal, Verdict, combine, judge
from local.aws_emulator.messages import Context
from tests.support.stack.mocked_stack import Stack, configuration, declare, settings
from tests.support.stack.service_accounts import GRANTS

ACCOUNT = "123456789012"
HOSPITALS = ("north", "south")
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/administrator"
EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
NEVER = ("s3:GetObjectVersion", "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:BypassGovernanceRetention")
KEY_OF = {"s3:GetObject": "kms:Decrypt", "s3:GetObjectVersion": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}
PREFIXES = sorted({grant.prefix for grants in GRANTS.values() for grant in grants} | {"else/"})


@dataclass(frozen=True)
class Cloud:
    """The policies of a stack by the ARN or name that they speak of."""

    roles: dict[str, str]
    buckets: dict[str, str]
    keys: dict[str, str]
    region: str

    def may(self, who: str, identity: str, action: str, bucket: str, name: str = "", **more: str) -> bool:
        """Return whether a principal with a policy of its own does something with an object of a bucket."""
        arn = f"arn:aws:s3:::{bucket}"
        seen = {
            "aws:securetransport": "true",
            "s3:tlsversion": "1.3",
            "aws:principalarn": who,
            "aws:principalaccount": ACCOUNT,
            "kms:viaservice": f"s3.{self.region}.amazonaws.com",
            **{key.replace("_", ":", 1): value for key, value in more.items()},
        }
        context = {key: (value,) for key, value in seen.items()}
        principal = Principal(who, ACCOUNT, frozenset({who}))
        ask = Ask(action, f"{arn}/{name}" if name else arn, context)
        verdicts = [judge(identity, ask), judge(self.buckets[bucket], ask, principal, delegate=False)]
        if combine(verdicts) is not Verdict.ALLOW:
            return False
        return action not in KEY_OF or self.uses_key(principal, identity, KEY_OF[action], bucket, context)

    def uses_key(self, principal: Principal, identity: str, action: str, bucket: str, context: Context) -> bool:
        """Return whether the key's policy names a principal, or leaves it to IAM and IAM allows it."""
        ask = Ask(action, "*", context)
        if judge(self.keys[bucket], ask, principal, delegate=False) is Verdict.ALLOW:
            return True
        return judge(self.keys[bucket], ask, principal) is Verdict.ALLOW and judge(identity, ask) is Verdict.ALLOW


def cloud_of(stack: Stack, region: str = "us-east-1") -> Cloud:
    keys = {f"arn:aws:kms:us-east-1:123456789012:key/{key.name}": key.inputs for key in stack.of("Key")}
    defaults = {
        made.inputs["bucket"]: made.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        for made in stack.of("BucketServerSideEncryptionConfiguration")
    }
    return Cloud(
        roles={policy.inputs["role"]: policy.inputs["policy"] for policy in stack.of("RolePolicy")},
        buckets={policy.inputs["bucket"]: policy.inputs["policy"] for policy in stack.of("BucketPolicy")},
        keys={
            name: keys[rule["kmsMasterKeyId"]]["policy"]
            for name, rule in defaults.items()
            if rule.get("kmsMasterKeyId")
        },
        region=region,
    )


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return cloud_of(declare(settings("dev", tmp_path_factory.mktemp("dev"))))


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return cloud_of(declare(settings("prod", tmp_path_factory.mktemp("prod"))))


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return cloud_of(declare(settings("prod", tmp_path_factory.mktemp("copies"))), "us-west-2")


def bucket(environment: str, hospital: str, data: DataClass) -> str:
    return f"hmlops-{environment}-{hospital}-{data}"


def role(environment: str, hospital: str, workload: str) -> tuple[str, str]:
    name = f"hmlops-{environment}-{hospital}-{workload}"
    return name, f"arn:aws:iam::{ACCOUNT}:role/{name}"


def places() -> Iterator[tuple[DataClass, str]]:
    yield from product(DataClass, PREFIXES)


def granted(grants: tuple[BucketGrant, ...], data: DataClass, place: str, action: str) -> bool:
    own = [grant for grant in grants if grant.data is data and place.startswith(grant.prefix)]
    return any(action in one.access.actions or (one.versions and action == "s3:GetObjectVersion") for one in own)


@pytest.mark.parametrize("workload", GRANTS)
@pytest.mark.parametrize("hospital", HOSPITALS)
def test_a_workload_does_what_its_grants_say_and_nothing_else(dev: Cloud, hospital: str, workload: str) -> None:
    name, arn = role("dev", hospital, workload)
    identity = dev.roles[name]
    judged = 0
    for other, (data, prefix), action in product(HOSPITALS, places(), (*ACTIONS, *NEVER)):
        place = f"{prefix}a.parquet"
        expected = other == hospital and granted(GRANTS[workload], data, place, action)
        assert dev.may(arn, identity, action, bucket("dev", other, data), place) is expected, (other, place, action)
        judged += expected
    assert judged


@pytest.mark.parametrize("workload", GRANTS)
def test_a_workload_lists_its_own_prefixes_alone(dev: Cloud, workload: str) -> None:
    name, arn = role("dev", "north", workload)
    for other, (data, prefix) in product(HOSPITALS, places()):
        if not prefix:
            continue
        mine = [grant for grant in GRANTS[workload] if grant.data is data and prefix.startswith(grant.prefix)]
        may = dev.may(arn, dev.roles[name], "s3:ListBucket", bucket("dev", other, data), s3_prefix=prefix)
        assert may is (other == "north" and bool(mine)), (other, data, prefix)
        versions = any(grant.versions for grant in mine)
        may = dev.may(arn, dev.roles[name], "s3:ListBucketVersions", bucket("dev", other, data), s3_prefix=prefix)
        assert may is (other == "north" and versions), (other, data, prefix)


@pytest.mark.parametrize("workload", GRANTS)
def test_the_anchor_alone_asks_how_long_objects_are_locked(dev: Cloud, workload: str) -> None:
    name, arn = role("dev", "north", workload)
    action = "s3:GetBucketObjectLockConfiguration"
    found = {
        (other, data)
        for other, data in product(HOSPITALS, DataClass)
        if dev.may(arn, dev.roles[name], action, bucket("dev", other, data))
    }
    assert found == ({("north", DataClass.AUDIT)} if workload == "audit-anchor" else set())


@pytest.mark.parametrize("workload", GRANTS)
def test_another_hospital_s_workload_is_refused_even_where_iam_would_allow_it(dev: Cloud, workload: str) -> None:
    _, arn = role("dev", "south", workload)
    for (data, prefix), action in product(places(), (*ACTIONS, *NEVER)):
        assert not dev.may(arn, EVERYTHING, action, bucket("dev", "north", data), f"{prefix}a")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_an_administrator_who_is_no_operator_reads_and_writes_nothing(
    environment: str, request: pytest.FixtureRequest
) -> None:
    cloud: Cloud = request.getfixturevalue(environment)
    for data, action in product(DataClass, (*ACTIONS, *NEVER)):
        assert not cloud.may(ADMINISTRATOR, EVERYTHING, action, bucket(environment, "north", data), "a")


def test_an_administrator_cannot_decrypt_by_asking_for_the_key(prod: Cloud) -> None:
    principal = Principal(ADMINISTRATOR, ACCOUNT, frozenset({ADMINISTRATOR}))
    context = {"kms:viaservice": ("s3.us-east-1.amazonaws.com",)}
    for data, seen in product(DataClass, (context, {})):
        for action in ("kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:ReEncryptFrom"):
            assert not prod.uses_key(principal, EVERYTHING, action, bucket("prod", "north", data), seen)
        assert prod.uses_key(principal, EVERYTHING, "kms:PutKeyPolicy", bucket("prod", "north", data), seen)


def test_an_administrator_still_administers(prod: Cloud) -> None:
    for data in DataClass:
        for action in ("s3:ListBucket", "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"):
            assert prod.may(ADMINISTRATOR, EVERYTHING, action, bucket("prod", "north", data))


def test_a_workload_s_key_opens_through_s3_alone(dev: Cloud) -> None:
    name, arn = role("dev", "north", "features")
    principal = Principal(arn, ACCOUNT, frozenset({arn}))
    curated = bucket("dev", "north", DataClass.CURATED)
    through = {"kms:viaservice": ("s3.us-east-1.amazonaws.com",)}
    assert dev.uses_key(principal, dev.roles[name], "kms:Decrypt", curated, through)
    assert not dev.uses_key(principal, dev.roles[name], "kms:Decrypt", curated, {})


def test_a_development_operator_lands_files_and_reads_results(dev: Cloud) -> None:
    [operator] = configuration("dev")["operators"]
    for data, action in product(DataClass, (*ACTIONS, *NEVER)):
        assert dev.may(operator, EVERYTHING, action, bucket("dev", "north", data), "landing/a.json")


def test_backups_read_and_bring_back(prod: Cloud) -> None:
    _, arn = role("prod", "shared", "backup")
    for data, action in product(DataClass, ("s3:GetObjectVersion", "s3:PutObject")):
        assert prod.may(arn, EVERYTHING, action, bucket("prod", "north", data), "a")


def test_s3_alone_copies_and_alone_reaches_a_copy(prod: Cloud, copies: Cloud) -> None:
    name, arn = role("prod", "north", "replication")
    identity = prod.roles[name]
    for data in DataClass:
        original = bucket("prod", "north", data)
        assert prod.may(arn, identity, "s3:GetObjectVersionForReplication", original, "a")
        assert not prod.may(arn, identity, "s3:GetObject", original, "a")
        assert copies.may(arn, identity, "s3:ReplicateObject", f"{original}-replica", "a")
        assert not copies.may(arn, identity, "s3:ReplicateObject", original, "a")
        strangers: list[Any] = [ADMINISTRATOR, *(role("prod", "north", workload)[1] for workload in GRANTS)]
        for stranger, action in product(strangers, (*ACTIONS, *NEVER, "s3:ReplicateObject")):
            assert not copies.may(stranger, EVERYTHING, action, f"{original}-replica", "a")
