"""Seeded violations of the controls over access to AWS, one property at a time."""

from tests.policy.builders import GONE, PREFIX, added, build, granting, statement, testing, without
from tests.policy.seeds.seed import Seed, absent, extra, seed

_BUCKET = "aws:s3/bucket:Bucket"
_ROLE = "aws:iam/role:Role"
_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
_POLICY = "aws:iam/policy:Policy"
_KEY = "aws:kms/key:Key"
_BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
_EKS = "aws:eks/cluster:Cluster"
_INSTANCE = "aws:ec2/instance:Instance"
_ENTRY = "aws:eks/accessEntry:AccessEntry"
_ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_DOCUMENT = "assumeRolePolicy"
_NARROWING = ("aws:PrincipalArn", "aws:SourceVpce", "aws:userId")
_ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}

SEEDS: list[Seed] = [
    seed("AC-01", _POLICY, "policy", statement(0, Action="*", Resource="*")),
    seed("AC-01", _ROLE_POLICY, "policy", statement(0, Action="s3:*", Resource="*")),
    seed("AC-01", _ROLE_POLICY, "policy", statement(0, Action="iam:*", Resource="arn:aws:iam::1:role/x")),
    seed("AC-01", _POLICY, "policy", statement(0, Action=GONE, NotAction="s3:DeleteBucket")),
    seed(
        "AC-01",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "policyArn",
        "arn:aws:iam::aws:policy/AdministratorAccess",
    ),
    seed("AC-01", _ROLE, "managedPolicyArns", ["arn:aws:iam::aws:policy/IAMFullAccess"]),
    seed(
        "AC-01",
        _ROLE,
        "inlinePolicies",
        [{"policy": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'}],
    ),
    seed("AC-02", _ROLE_POLICY, "policy", granting("kms:Decrypt", Resource="*")),
    seed("AC-02", _ROLE_POLICY, "policy", granting("kms:Decrypt", Resource="arn:aws:kms:us-east-1:1:key/*")),
    seed("AC-02", _ROLE_POLICY, "policy", granting("kms:Decrypt", Action="kms:ReEncrypt*", Resource="*")),
    seed("AC-02", _ROLE_POLICY, "policy", granting("s3:GetObject", Resource="arn:aws:s3:::*")),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Principal="*")),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Principal=GONE)),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Condition=GONE), name="*ingestor"),
    seed(
        "AC-03",
        _ROLE,
        _DOCUMENT,
        statement(0, Condition={"StringLike": {"x:sub": "system:serviceaccount:*", "x:aud": "sts.amazonaws.com"}}),
        name="*trainer",
    ),
    seed("AC-03", _ROLE, _DOCUMENT, statement(0, Action="sts:AssumeRole"), name="pods"),
    extra("AC-04", build("aws:iam/user:User", "someone", {"name": "someone"})),
    extra("AC-04", build("aws:iam/accessKey:AccessKey", "someone", {"user": "someone"})),
    extra("AC-04", build("aws:iam/userPolicyAttachment:UserPolicyAttachment", "x", {"user": "someone"})),
    *(
        seed("AC-05", _BLOCK, flag, False)
        for flag in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ),
    seed("AC-05", _BLOCK, "blockPublicAcls", GONE),
    seed("AC-05", "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "state", "block-new-sharing"),
    extra("AC-05", build("aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission", "x", {})),
    seed("AC-05", "aws:rds/snapshot:Snapshot", "sharedAccounts[0]", "all"),
    extra("AC-05", build("aws:rds/clusterSnapshot:ClusterSnapshot", "x", {"sharedAccounts": ["1", "all"]})),
    seed("AC-05", "aws:ssm/document:Document", "permissions.account_ids", "123456789012,All"),
    absent("AC-06", _BLOCK, "bucket"),
    seed("AC-07", _OWNERSHIP, "rule.objectOwnership", "ObjectWriter"),
    seed("AC-07", _BUCKET, "acl", "public-read"),
    seed("AC-07", _BUCKET, "grants", [{"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}]),
    seed("AC-08", _BUCKET_POLICY, "policy", added(**_ANYBODY)),
    seed("AC-08", _BUCKET_POLICY, "policy", without(*_NARROWING), name="*raw"),
    seed("AC-08", _BUCKET_POLICY, "policy", testing("aws:PrincipalArn", Action="s3:PutObject"), name="*audit"),
    seed("AC-18", _BUCKET_POLICY, "policy", without(*_NARROWING), name="*raw"),
    seed("AC-09", _KEY, "policy", GONE),
    seed("AC-09", _KEY, "policy", statement(0, Principal="*", Condition=GONE)),
    seed("AC-09", _KEY, "policy", statement(0, Action="kms:*")),
    seed("AC-09", _KEY, "bypassPolicyLockoutSafetyCheck", True),
    seed("AC-13", _INSTANCE, "iamInstanceProfile", GONE),
    seed("AC-14", _EKS, "accessConfig.authenticationMode", "API_AND_CONFIG_MAP"),
    seed("AC-14", _EKS, "accessConfig.bootstrapClusterCreatorAdminPermissions", True),
    seed("AC-14", _ENTRY, "kubernetesGroups", ["system:masters"]),
    seed("AC-14", _ENTRY, "kubernetesGroups", ["system:masters"]).with_("principalArn", "arn:aws:iam::9:role/x"),
    seed("AC-14", _ASSOCIATION, "principalArn", "arn:aws:iam::123456789012:role/reader"),
    seed("AC-14", _ASSOCIATION, "principalArn", "arn:aws:iam::999999999999:role/strange"),
    seed("AC-15", _ROLE, f"tags.{{{PREFIX}/break-glass}}", GONE, name="break-glass"),
    seed("AC-15", _ROLE, f"tags.{{{PREFIX}/break-glass}}", "true", name="reader"),
    seed("AC-15", _ROLE, "maxSessionDuration", 7200, name="break-glass"),
    seed("AC-15", _ROLE, _DOCUMENT, statement(0, Condition=GONE), name="break-glass"),
    seed("AC-15", "aws:cloudwatch/eventRule:EventRule", "eventPattern", "{}", name="break-glass*", hides=False),
    seed("AC-16", _ROLE, "maxSessionDuration", 43200, name="reader"),
    seed("AUTH-02", _ROLE, _DOCUMENT, statement(0, Condition=GONE), name="reader"),
    *(
        seed("AUTH-04", "aws:iam/accountPasswordPolicy:AccountPasswordPolicy", field, value)
        for field, value in (
            ("minimumPasswordLength", 8),
            ("passwordReusePrevention", 3),
            ("maxPasswordAge", 365),
            ("requireSymbols", False),
        )
    ),
]
