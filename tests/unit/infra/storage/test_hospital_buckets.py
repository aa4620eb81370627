"""Keys, buckets and identities: joined by what they name, and of one hospital each."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.blocks.role_policies import bucket_access_policy
from infra.settings import DataClass
from infra.vault.hospital import KEYS, policy_text
from tests.support.stack.mocked_stack import Declared, Stack, declare, settings
from tests.support.stack.service_accounts import DATABASE_ADMINISTRATORS, GRANTS, VAULT_RULES, ZONES
from workloads.zones.flow_table import table

HOSPITALS = ("north", "south")
SAFEGUARDS = (
    "BucketLogging",
    "BucketVersioning",
    "BucketServerSideEncryptionConfiguration",
    "BucketPublicAccessBlock",
    "BucketOwnershipControls",
    "BucketLifecycleConfiguration",
    "BucketPolicy",
)
ACCOUNTS = {*GRANTS, *DATABASE_ADMINISTRATORS}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


def by_bucket(stack: Stack, kind: str) -> dict[str, Declared]:
    """Return what a kind says of each hospital's bucket; buckets that hospitals share are another test's."""
    mine = [resource for resource in stack.of(kind) if resource.name.startswith(HOSPITALS)]
    found = {resource.inputs["bucket"]: resource for resource in mine}
    assert len(found) == len(mine) > 0
    return found


def by_hospital(stack: Stack, kind: str) -> list[Declared]:
    found = [resource for resource in stack.of(kind) if resource.name.startswith(HOSPITALS)]
    assert found
    return found


def statements(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("kind", SAFEGUARDS)
def test_every_bucket_has_every_safeguard(stack: Stack, kind: str) -> None:
    buckets = {f"hmlops-dev-{hospital}-{data}" for hospital in HOSPITALS for data in DataClass}
    assert by_bucket(stack, "Bucket").keys() == buckets
    assert by_bucket(stack, kind).keys() == buckets


def test_a_bucket_is_encrypted_by_the_key_of_its_alias(stack: Stack) -> None:
    key_ids = {alias.inputs["name"]: alias.inputs["targetKeyId"] for alias in stack.of("Alias")}
    arns = {f"{key.name}-key": f"arn:aws:kms:us-east-1:123456789012:key/{key.name}" for key in stack.of("Key")}
    used = set()
    for bucket, encryption in by_bucket(stack, "BucketServerSideEncryptionConfiguration").items():
        [rule] = encryption.inputs["rules"]
        default = rule["applyServerSideEncryptionByDefault"]
        assert default["sseAlgorithm"] == "aws:kms"
        assert default["kmsMasterKeyId"] == arns[key_ids[f"alias/{bucket}"]]
        used.add(default["kmsMasterKeyId"])
    assert len(used) == len(HOSPITALS) * len(DataClass)


def test_buckets_are_closed_to_the_public_and_versioned(stack: Stack) -> None:
    for block in stack.of("BucketPublicAccessBlock"):
        options = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        assert all(block.inputs[option] is True for option in options)
    for versioning in stack.of("BucketVersioning"):
        assert versioning.inputs["versioningConfiguration"] == {"status": "Enabled"}


def test_bucket_policies_refuse_plain_http_and_foreign_keys(stack: Stack) -> None:
    for bucket, policy in by_bucket(stack, "BucketPolicy").items():
        said = {statement["Sid"]: statement for statement in statements(policy.inputs["policy"])}
        assert all(statement["Effect"] == "Deny" for statement in said.values())
        assert said["NoOldTls"]["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
        assert said["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert said["TlsOnly"]["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        hospital_and_class = bucket.removeprefix("hmlops-dev-")
        key = said["OwnKeyOnly"]["Condition"]["StringNotEquals"]["s3:x-amz-server-side-encryption-aws-kms-key-id"]
        assert key == f"arn:aws:kms:us-east-1:123456789012:key/{hospital_and_class}"
        # A request that names no encryption is encrypted by default, so it must not be refused.
        assert all("Null" in said[sid]["Condition"] for sid in ("KmsOnly", "OwnKeyOnly"))


def test_retention_is_the_hospital_s(stack: Stack) -> None:
    days, replaced = {}, {}
    for bucket, lifecycle in by_bucket(stack, "BucketLifecycleConfiguration").items():
        rules = {rule["id"]: rule for rule in lifecycle.inputs["rules"]}
        assert "tidy" in rules
        days[bucket] = rules["retention"]["expiration"]["days"] if "retention" in rules else None
        replaced[bucket] = rules["tidy"].get("noncurrentVersionExpiration", {}).get("noncurrentDays")
    assert (days["hmlops-dev-north-raw"], days["hmlops-dev-north-curated"]) == (30, 2190)
    assert days["hmlops-dev-north-models"] is None
    assert replaced["hmlops-dev-north-raw"] == 30
    # What was replaced among audit records and models is evidence as well.
    assert replaced["hmlops-dev-north-audit"] == days["hmlops-dev-north-audit"] == 2555
    assert replaced["hmlops-dev-north-models"] is None


def test_keys_rotate(stack: Stack) -> None:
    assert all(key.inputs["enableKeyRotation"] for key in stack.of("Key"))


def test_roles_are_taken_by_one_service_account_alone(stack: Stack) -> None:
    subjects = []
    for role in by_hospital(stack, "Role"):
        [statement] = statements(role.inputs["assumeRolePolicy"])
        claims = statement["Condition"]["StringEquals"]
        assert claims.pop("172.31.250.1:6443:aud") == "sts.amazonaws.com"
        subjects += claims.values()
        assert claims.keys() == {"172.31.250.1:6443:sub"}
    accounts = {f"{hospital}-{ZONES[name]}:{name}" for hospital in HOSPITALS for name in ACCOUNTS}
    assert sorted(subjects) == sorted(f"system:serviceaccount:{account}" for account in accounts)


def test_policies_name_only_the_hospital_s_own_objects_and_keys(stack: Stack) -> None:
    policies = by_hospital(stack, "RolePolicy")
    assert len(policies) == len(HOSPITALS) * len(ACCOUNTS)
    secrets = [policy for policy in policies if policy.name.endswith("-secret")]
    assert {policy.name for policy in secrets} == {f"{hospital}-database-setup-secret" for hospital in HOSPITALS}
    for policy in policies:
        if policy in secrets:
            continue
        hospital = policy.name.partition("-")[0]
        for statement in statements(policy.inputs["policy"]):
            assert not any("*" in action for action in listed(statement["Action"]))
            for resource in listed(statement["Resource"]):
                own = (f"arn:aws:s3:::hmlops-dev-{hospital}-", f"arn:aws:kms:us-east-1:123456789012:key/{hospital}-")
                assert resource.startswith(own), (policy.name, resource)


def allows(stack: Stack, role: str, action: str, resource: str) -> bool:
    [policy] = [policy for policy in stack.of("RolePolicy") if policy.name == role]
    return any(
        action in listed(statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        for statement in statements(policy.inputs["policy"])
    )


@pytest.mark.parametrize(
    ("workload", "action", "place", "allowed"),
    [
        ("ingestor", "s3:GetObject", "raw/landing/a.json", True),
        ("ingestor", "s3:PutObject", "curated/tables/stay.parquet", True),
        ("ingestor", "s3:GetObject", "models/readmission/v1/x", False),
        ("features", "s3:GetObject", "curated/tables/stay.parquet", True),
        ("features", "s3:PutObject", "curated/features/features.parquet", True),
        ("features", "s3:PutObject", "curated/tables/stay.parquet", False),
        ("features", "s3:GetObject", "raw/landing/a.json", False),
        ("trainer", "s3:GetObject", "raw/landing/a.json", False),
        ("trainer", "s3:GetObject", "curated/features/features.parquet", True),
        ("trainer", "s3:GetObject", "curated/tables/stay.parquet", False),
        ("trainer", "s3:PutObject", "curated/candidates/x/run.json", True),
        ("trainer", "s3:PutObject", "models/reports/x/report.html", True),
        ("trainer", "s3:PutObject", "models/readmission/v1/x/model.joblib", False),
        ("promoter", "s3:GetObject", "curated/candidates/x/run.json", True),
        ("promoter", "s3:PutObject", "curated/candidates/x/run.json", False),
        ("promoter", "s3:GetObject", "curated/features/features.parquet", False),
        ("promoter", "s3:PutObject", "models/readmission/v1/x/model.joblib", True),
        ("promoter", "s3:DeleteObject", "models/readmission/v1/x/model.joblib", False),
        ("model-server", "s3:GetObject", "models/readmission/v1/x/model.joblib", True),
        ("model-server", "s3:PutObject", "models/readmission/v1/x/model.joblib", False),
        ("planner", "s3:GetObject", "curated/features/features.parquet", True),
        ("planner", "s3:GetObject", "curated/tables/stay.parquet", False),
    ],
)
def test_workloads_reach_what_they_work_on(stack: Stack, workload: str, action: str, place: str, allowed: bool) -> None:
    for hospital, other in (HOSPITALS, reversed(HOSPITALS)):
        role = f"{hospital}-{workload}"
        assert allows(stack, role, action, f"arn:aws:s3:::hmlops-dev-{hospital}-{place}") is allowed
        assert not allows(stack, role, action, f"arn:aws:s3:::hmlops-dev-{other}-{place}")


def test_a_reader_cannot_encrypt() -> None:
    policy = bucket_access_policy(GRANTS["model-server"], {DataClass.MODELS: ("arn:bucket", "arn:key")}, "us-east-1")
    [key] = [statement for statement in statements(policy) if statement["Resource"] == "arn:key"]
    assert key["Action"] == "kms:Decrypt"


def test_listing_is_limited_to_the_prefix() -> None:
    buckets = {data: (f"arn:{data}", f"arn:{data}-key") for data in (DataClass.CURATED, DataClass.MODELS)}
    policy = bucket_access_policy(GRANTS["planner"], buckets, "us-east-1")
    listings = {one["Resource"]: one["Condition"] for one in statements(policy) if one["Action"] == "s3:ListBucket"}
    assert listings == {
        "arn:curated": {"StringLike": {"s3:prefix": ["features/*", "features"]}},
        "arn:models": {"StringLike": {"s3:prefix": ["readmission/*", "readmission"]}},
    }


def test_the_initializer_may_ask_for_its_bucket() -> None:
    policy = bucket_access_policy(GRANTS["model-server"], {DataClass.MODELS: ("arn:bucket", "arn:key")}, "us-east-1")
    [listing] = [statement for statement in statements(policy) if statement["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["readmission/*", "readmission"]}}


def test_vault_roles_are_bound_to_one_account_of_one_hospital(stack: Stack) -> None:
    roles = {role.inputs["roleName"]: role for role in stack.of("AuthBackendRole")}
    # The gateway does not log in itself: cert-manager has its certificate signed.
    requested = {f"{hospital}-envoy" for hospital in HOSPITALS}
    assert roles.keys() - requested == {f"{h}-{w}" for h in HOSPITALS for w in VAULT_RULES}
    zones = {one.service_account: one.zone for one in table().workloads.values()}
    for role in (role for name, role in roles.items() if name not in requested):
        hospital, workload = role.inputs["roleName"].split("-", 1)
        assert role.inputs["boundServiceAccountNames"] == [workload]
        assert role.inputs["boundServiceAccountNamespaces"] == [f"{hospital}-{zones[workload]}"]
        assert role.inputs["tokenPolicies"] == [role.inputs["roleName"]]
        assert role.inputs["tokenTtl"] <= role.inputs["tokenMaxTtl"] <= 3600
        assert role.inputs["audience"] == "https://172.31.250.1:6443"


def test_vault_policies_stay_within_the_hospital_s_mounts(stack: Stack) -> None:
    for policy in stack.of("Policy"):
        hospital = policy.name.partition("-")[0]
        paths = [line.split('"')[1] for line in policy.inputs["policy"].splitlines() if line.startswith("path")]
        assert paths
        mounts = tuple(f"{hospital}/{mount}/" for mount in ("transit", "kv/data", "database", "workload-pki"))
        assert all(path.startswith(mounts) for path in paths)
        assert "sudo" not in policy.inputs["policy"]


def test_exactly_the_workloads_that_reach_vault_have_rules() -> None:
    reaching = {flow.source for flow in table().flows if flow.target == "vault"}
    pods = {name: workload for name, workload in table().workloads.items() if not workload.person}
    assert {name for name, workload in pods.items() if workload.vault_rules} == reaching


def test_vault_rules_name_keys_that_the_hospital_has() -> None:
    paths = [rule.path.split("/") for rules in VAULT_RULES.values() for rule in rules]
    keys = {
        key
        for engine, _, *rest in paths
        if engine == "transit"
        for key in rest
        if key not in ("plaintext", "*", "sha2-256")
    }
    assert keys == KEYS.keys()


def test_a_vault_policy_reads_as_vault_writes_it() -> None:
    first = policy_text("north", VAULT_RULES["promoter"]).split("\n\n")[0]
    assert first == 'path "north/transit/sign/release-signing" {\n  capabilities = ["update"]\n}'


def test_vault_reviews_a_login_with_the_login_s_own_token(stack: Stack) -> None:
    [config] = stack.of("AuthBackendConfig")
    assert config.inputs["disableLocalCaJwt"] is True
    assert config.inputs["kubernetesCaCert"] == "CA"
    assert "tokenReviewerJwt" not in config.inputs
