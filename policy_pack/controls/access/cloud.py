"""Access in the cloud account: policies, roles, users, keys and who may reach a bucket."""

from policy_pack.controls.rules import on, on_join
from policy_pack.facts.iam.statements import Statement, statements
from policy_pack.stack.checks import About, Findings, expect, fault, guarded, not_yes, one_of, yes
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_POLICY, IAM_POLICIES, KEY, ROLE
from policy_pack.stack.values import View

_FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_SHARED = {
    "aws:rds/snapshot:Snapshot": "sharedAccounts",
    "aws:rds/clusterSnapshot:ClusterSnapshot": "sharedAccounts",
    "aws:rds/snapshotCopy:SnapshotCopy": "sharedAccounts",
    "aws:rds/clusterSnapshotCopy:ClusterSnapshotCopy": "sharedAccounts",
    "aws:ssm/document:Document": "permissions.account_ids",
}
_OWN_TO_ONE = (
    "AdministratorAccess",
    "PowerUserAccess",
    "IAMFullAccess",
    "AmazonS3FullAccess",
    "AWSKeyManagementServicePowerUser",
)
_DECRYPTS = ("kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey")
_READS = ("s3:GetObject", "s3:GetObjectVersion")
_NARROW = (
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:SourceVpce",
    "aws:SourceVpc",
    "aws:SourceArn",
    "aws:SourceAccount",
)
_ADMINISTERS = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:CreateGrant")
_USES = ("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom")


def _documents(resource: Resource) -> list[View]:
    """Return every policy document that a policy or role carries."""
    inline = [entry.at("policy") for entry in resource.at("inlinePolicies").items()]
    own = [] if resource.kind == ROLE else [resource.at("policy")]
    return [*own, *inline]


@on("AC-01", *IAM_POLICIES, ROLE)
def no_policy_gives_everything(resource: Resource) -> Findings:
    """Refuse whole services on every resource, and any rule over IAM as a whole."""
    for document in _documents(resource):
        yield from guarded(_too_much(document), document.path)
    for arn in resource.at("managedPolicyArns").items():
        yield from expect(
            arn, lambda value: value.rpartition("/")[2] not in _OWN_TO_ONE, "gives everything of a service"
        )


def _too_much(document: View) -> Findings:
    for statement in statements(document):
        if not statement.allows:
            continue
        if statement.excepted:
            yield fault("allows everything but what it names", document.path)
        wide = [action for action in statement.actions if action == "*" or action.endswith(":*")]
        if wide and statement.everything:
            yield fault(f"allows {', '.join(wide)} on every resource", document.path)
        elif any(action.lower() == "iam:*" for action in statement.actions):
            yield fault("allows iam:*", document.path)


@on("AC-01", "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/policyAttachment:PolicyAttachment")
def no_policy_of_everything_is_attached(resource: Resource) -> Findings:
    """Refuse Amazon's own policies that give everything."""
    yield from expect(
        resource.at("policyArn"),
        lambda value: value is None or value.rpartition("/")[2] not in _OWN_TO_ONE,
        "attaches a policy that gives everything of a service",
    )


@on("AC-02", *IAM_POLICIES, ROLE)
def decryption_names_its_key(resource: Resource) -> Findings:
    """Refuse decryption by every key, and reading in every bucket."""
    for document in _documents(resource):
        yield from guarded(_unnamed(document), document.path)


def _unnamed(document: View) -> Findings:
    for statement in statements(document):
        if not statement.allows:
            continue
        keys = statement.everything or any(
            r.startswith("arn:aws:kms:") and r.endswith(("*", "key/*")) for r in statement.resources
        )
        if keys and any(statement.covers(action) for action in _DECRYPTS):
            yield fault("may decrypt by every key; name the key's ARN", document.path)
        buckets = statement.everything or any(
            r.startswith(("arn:aws:s3:::*", "arn:*:s3:::*")) for r in statement.resources
        )
        if buckets and any(statement.covers(action) for action in _READS):
            yield fault("may read objects of every bucket; name the bucket's ARN", document.path)


@on("AC-03", ROLE)
def roles_trust_somebody_named(resource: Resource) -> Findings:
    """Refuse trust in anybody, and web identities that are not tied to a subject and an audience."""
    document = resource.at("assumeRolePolicy")
    found = statements(document)
    if not any(statement.allows and statement.principals for statement in found):
        yield fault("trusts nobody that it names", document.path)
    for statement in found:
        if statement.allows:
            yield from _trust(statement, document.path)


def _trust(statement: Statement, path: str) -> Findings:
    if statement.anybody or statement.excepted:
        yield fault("trusts anybody", path)
    if statement.covers("sts:AssumeRoleWithWebIdentity") and any(
        kind == "Federated" for kind, _ in statement.principals
    ):
        for claim in (":sub", ":aud"):
            tests = [values for operator, values in statement.tests(claim) if operator == "StringEquals"]
            if not any(values and all("*" not in value for value in values) for values in tests):
                yield fault(f"a web identity is not tied to its {claim[1:]} claim by StringEquals", path)
    pods = ("Service", "pods.eks.amazonaws.com") in statement.principals
    if pods and not statement.covers("sts:TagSession"):
        yield fault("trusts Pod Identity without sts:TagSession, so that its sessions cannot be told apart", path)


@on(
    "AC-04",
    "aws:iam/user:User",
    "aws:iam/accessKey:AccessKey",
    "aws:iam/userLoginProfile:UserLoginProfile",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
)
def no_users_or_access_keys(resource: Resource) -> Findings:
    """Refuse whatever makes or serves an IAM user."""
    yield fault(f"{resource.kind.rpartition(':')[2]} makes or serves an IAM user; use a role")


@on(
    "AC-05",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
)
def public_access_blocks_are_whole(resource: Resource) -> Findings:
    """Ask for all four flags."""
    for flag in _FLAGS:
        yield from expect(resource.at(flag), yes, f"{flag} is not true")


@on("AC-05", "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess")
def snapshots_are_blocked_whole(resource: Resource) -> Findings:
    """Refuse a block of public snapshots that leaves what is public already."""
    yield from expect(resource.at("state"), one_of("block-all-sharing"), "lets snapshots of volumes be public")


@on("AC-05", "aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission")
def snapshots_are_not_given_away(resource: Resource) -> Findings:
    """Refuse snapshots of volumes to others; AWS Backup copies them where they may be."""
    yield fault("gives a snapshot of a volume to another account", "accountId", resource)


@on("AC-05", *_SHARED)
def nothing_is_shared_with_everybody(resource: Resource) -> Findings:
    """Refuse snapshots of databases and documents of Systems Manager for every account."""
    for account in resource.at(_SHARED[resource.kind]).items():
        yield from expect(account, lambda value: "all" not in value.lower().split(","), "is shared with everybody")


@on_join("AC-06", BUCKET)
def buckets_have_public_access_blocks(bucket: Resource, about: About) -> Findings:
    """Ask for a block of each bucket's own."""
    if not about.attached(bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket", BUCKET_KEYS):
        yield fault("has no BucketPublicAccessBlock")


@on("AC-07", "aws:s3/bucketOwnershipControls:BucketOwnershipControls")
def access_lists_are_off(resource: Resource) -> Findings:
    """Ask that the owner alone decides."""
    yield from expect(
        resource.at("rule.objectOwnership"), one_of("BucketOwnerEnforced"), "access lists are not switched off"
    )


@on("AC-07", "aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketObject:BucketObject", BUCKET)
def no_public_access_lists(resource: Resource) -> Findings:
    """Refuse access lists for everybody."""
    yield from expect(
        resource.at("acl"),
        one_of(None, "private", "log-delivery-write"),
        "its access list is for others than the owner",
    )
    for grant in resource.at("grants").items():
        yield from expect(grant.at("uri"), lambda value: not value, "grants to a group of everybody")


@on("AC-08", BUCKET_POLICY)
def bucket_policies_admit_nobody_at_large(resource: Resource) -> Findings:
    """Refuse an Allow for everybody that nothing narrows."""
    document = resource.at("policy")
    for statement in statements(document):
        narrow = any(statement.tests(key) for key in _NARROW)
        if statement.allows and (statement.excepted or (statement.anybody and not narrow)):
            yield fault("admits everybody", document.path)


@on_join("AC-08", BUCKET)
def phi_buckets_deny_strangers(bucket: Resource, about: About) -> Findings:
    """Ask that a PHI bucket's policy denies principals or endpoints that it does not name."""
    if not about.settings.phi(about.label(bucket, "data-class")):
        return
    policies = about.attached(bucket, BUCKET_POLICY, "bucket", BUCKET_KEYS)
    held = [statement for policy in policies for statement in statements(policy.at("policy"))]
    keys = ("aws:PrincipalArn", "aws:SourceVpce", "aws:userId")
    if not any(not s.allows and s.anybody and _negative(s, keys) for s in held):
        yield fault(
            "holds PHI, and its policy denies neither principals (aws:PrincipalArn) nor ways (aws:SourceVpce) that it "
            "does not name"
        )


def _negative(statement: Statement, keys: tuple[str, ...]) -> bool:
    reads = statement.covers("s3:GetObject")
    return reads and any("Not" in operator for key in keys for operator, _ in statement.tests(key))


@on("AC-09", KEY)
def keys_part_administrators_and_users(key: Resource) -> Findings:
    """Refuse keys for anybody, and principals that both administer and use a key."""
    yield from expect(
        key.at("bypassPolicyLockoutSafetyCheck"), not_yes, "skips the check that somebody can still administer it"
    )
    document = key.at("policy")
    if document.absent:
        yield fault("has AWS's default policy, by which whoever administers the account may decrypt", "policy")
        return
    held = [statement for statement in statements(document) if statement.allows]
    for statement in held:
        if statement.anybody and not (statement.tests("kms:CallerAccount") or statement.tests("kms:ViaService")):
            yield fault("is open to anybody", document.path)
    both = _principals(held, _ADMINISTERS) & _principals(held, _USES)
    for principal in sorted(both - {"*"}):
        yield fault(f"{principal} both administers and uses the key", document.path)


def _principals(held: list[Statement], actions: tuple[str, ...]) -> set[str]:
    return {value for s in held if any(s.covers(action) for action in actions) for _, value in s.principals}
