"""The buckets, keys and roles of the compliant stack's AWS account."""

from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.builders import build, document, tags

ACCOUNT = "123456789012"
REGION = "us-east-1"
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/1"
CLASSES = {"raw": True, "curated": True, "models": False, "audit": True}
GRANTS = {"ingestor": ("phi", "raw"), "features": ("data", "curated"), "trainer": ("data", "curated")}


def key_arn(name: str) -> str:
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"


PLATFORM_KEY = key_arn("platform")


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def users(hospital: str, data: str) -> list[str]:
    """Return the ARNs of the roles of a hospital that use its data of a class; without one, of a user of keys."""
    names = [f"hmlops-prod-{hospital}-{workload}" for workload, (_, used) in GRANTS.items() if used == data]
    return [role_arn(name) for name in names or ["key-user"]]


def key(name: str, hospital: str = "", data: str = "", statements: tuple[dict[str, Any], ...] = ()) -> Resource:
    administer = ["kms:Describe*", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"]
    use = ["kms:Decrypt", "kms:GenerateDataKey"]
    props = {
        "arn": key_arn(name),
        "keyId": name,
        "enableKeyRotation": True,
        "deletionWindowInDays": 30,
        "policy": document(
            {"Effect": "Allow", "Principal": {"AWS": role_arn("key-admin")}, "Action": administer, "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": users(hospital, data)}, "Action": use, "Resource": "*"},
            *statements,
        ),
        "tags": tags(hospital, data, phi=str(CLASSES.get(data, False)).lower()),
    }
    return build("aws:kms/key:Key", name, props, protect=True)


def bucket(hospital: str, data: str) -> list[Resource]:
    """Return a bucket with every safeguard, and its key."""
    name = f"hmlops-prod-{hospital}-{data}"
    arn = f"arn:aws:s3:::{name}"
    phi = CLASSES[data]
    own: dict[str, Any] = {"bucket": name}

    def deny(action: str, condition: dict[str, Any]) -> dict[str, Any]:
        return {
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": [arn, f"{arn}/*"],
            "Condition": condition,
        }

    statements = [
        deny("s3:*", {"Bool": {"aws:SecureTransport": "false"}}),
        deny("s3:*", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        deny("s3:*", {"StringNotEquals": {"aws:PrincipalArn": users(hospital, data)}}),
        *(
            deny("s3:PutObject", {"Null": {header: "false"}, "StringNotEquals": {header: value}})
            for header, value in {
                "s3:x-amz-server-side-encryption": "aws:kms",
                "s3:x-amz-server-side-encryption-aws-kms-key-id": key_arn(f"{hospital}-{data}"),
            }.items()
        ),
    ]
    found = [
        key(f"{hospital}-{data}", hospital, data),
        build(
            "aws:s3/bucket:Bucket",
            name,
            own
            | {
                "arn": arn,
                "forceDestroy": False,
                "objectLockEnabled": data in ("audit", "models"),
                "tags": tags(hospital, data, phi=str(phi).lower()),
            },
            protect=True,
        ),
        build(
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            name,
            own | {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        ),
        build(
            "aws:s3/bucketVersioning:BucketVersioning",
            name,
            own | {"versioningConfiguration": {"status": "Enabled"}},
        ),
        build(
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            name,
            own
            | {
                "blockPublicAcls": True,
                "blockPublicPolicy": True,
                "ignorePublicAcls": True,
                "restrictPublicBuckets": True,
            },
        ),
        build(
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            name,
            own
            | {
                "rules": [
                    {
                        "applyServerSideEncryptionByDefault": {
                            "sseAlgorithm": "aws:kms",
                            "kmsMasterKeyId": key_arn(f"{hospital}-{data}"),
                        },
                        "bucketKeyEnabled": True,
                    }
                ]
            },
        ),
        build(
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            name,
            own | {"rules": [{"id": "retention", "status": "Enabled", **_ends(data)}]},
        ),
        build("aws:s3/bucketPolicy:BucketPolicy", name, own | {"policy": document(*statements)}),
    ]
    if phi:
        found.append(_replication(name, own))
    if data in ("raw", "curated"):
        target = f"hmlops-prod-{hospital}-audit"
        found.append(
            build("aws:s3/bucketLogging:BucketLogging", name, own | {"targetBucket": target, "targetPrefix": "x/"})
        )
    if data in ("audit", "models"):
        mode = "COMPLIANCE" if data == "audit" else "GOVERNANCE"
        rule = {"defaultRetention": {"mode": mode, "days": 2190}}
        found.append(
            build("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", name, own | {"rule": rule})
        )
    return found


def _ends(data: str) -> dict[str, Any]:
    """Return when objects of a class end, as a hospital's entry says by default."""
    noncurrent = {"noncurrentVersionExpiration": {"noncurrentDays": 30}}
    match data:
        case "raw":
            return {"expiration": {"days": 30}, **noncurrent}
        case "models":
            return {"abortIncompleteMultipartUpload": {"daysAfterInitiation": 1}}
        case "audit":
            return {"expiration": {"days": 2555}, "noncurrentVersionExpiration": {"noncurrentDays": 2555}}
        case _:
            return {"expiration": {"days": 2190}, **noncurrent}


def _replication(name: str, own: dict[str, Any]) -> Resource:
    destination = {
        "bucket": f"arn:aws:s3:::{name}-dr",
        "encryptionConfiguration": {"replicaKmsKeyId": f"arn:aws:kms:us-west-2:{ACCOUNT}:key/dr"},
    }
    encrypted = {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    rule = {"status": "Enabled", "destination": destination, "sourceSelectionCriteria": encrypted}
    rules = [{**rule, "deleteMarkerReplication": {"status": "Enabled"}}]
    return build("aws:s3/bucketReplicationConfig:BucketReplicationConfig", name, own | {"role": "x", "rules": rules})


def workload_role(hospital: str, workload: str) -> list[Resource]:
    """Return a role of one ServiceAccount, with access to one bucket and its key."""
    zone, data = GRANTS[workload]
    name = f"hmlops-prod-{hospital}-{workload}"
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": f"system:serviceaccount:{hospital}-{zone}:{workload}",
            }
        },
    }
    objects = f"arn:aws:s3:::hmlops-prod-{hospital}-{data}/*"
    rights = document(
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": objects},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key_arn(f"{hospital}-{data}")},
    )
    return [
        build(
            "aws:iam/role:Role",
            name,
            {"name": name, "arn": role_arn(name), "assumeRolePolicy": document(trust), "tags": tags(hospital)},
        ),
        build("aws:iam/rolePolicy:RolePolicy", name, {"name": "data", "role": name, "policy": rights}),
    ]


def hospital(name: str) -> list[Resource]:
    """Return the AWS resources of one hospital."""
    buckets = [resource for data in CLASSES for resource in bucket(name, data)]
    return [*buckets, *(resource for workload in GRANTS for resource in workload_role(name, workload))]


def human_role(name: str, **more: str) -> Resource:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    }
    props = {
        "name": name,
        "arn": role_arn(name),
        "maxSessionDuration": 3600,
        "assumeRolePolicy": document(trust),
        "tags": tags(**more),
    }
    return build("aws:iam/role:Role", name, props)


def identity() -> list[Resource]:
    """Return the roles of people."""
    pod_role = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return [
        build("pulumi:providers:aws", "aws", {"region": REGION, "allowedAccountIds": [ACCOUNT]}),
        human_role("break-glass", break_glass="true"),
        human_role("reader"),
        build(
            "aws:iam/role:Role",
            "pods",
            {"name": "pods", "arn": role_arn("pods"), "assumeRolePolicy": document(pod_role), "tags": tags()},
        ),
        build(
            "aws:iam/role:Role",
            "bastion",
            {
                "name": "bastion",
                "arn": role_arn("bastion"),
                "assumeRolePolicy": document(
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ),
                "tags": tags(),
            },
        ),
        build(
            "aws:iam/policy:Policy",
            "reading",
            {"policy": document({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::logs"})},
        ),
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "nodes",
            {"role": "pods", "policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"},
        ),
        build(
            "aws:cloudwatch/eventRule:EventRule",
            "break-glass",
            {"eventPattern": '{"detail":{"eventName":["AssumeRole"],"role":["break-glass"]}}'},
        ),
        build(
            "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
            "passwords",
            {
                "minimumPasswordLength": 16,
                "passwordReusePrevention": 24,
                "maxPasswordAge": 90,
                "requireSymbols": True,
                "requireNumbers": True,
                "requireUppercaseCharacters": True,
                "requireLowercaseCharacters": True,
            },
        ),
    ]
