"""IAM policies, roles and users, S3 public access, bucket policies and key policies."""

import re

from policy_pack.controls.rules import ANY, join_check, resource_check
from policy_pack.facts.iam.callers import account_of, own_account
from policy_pack.facts.iam.conditions import applies_to_unlisted, equals_exactly, is_restricted_by
from policy_pack.facts.iam.documents import Statement, policy_statements, statements
from policy_pack.facts.iam.policies import POLICY_ATTACHMENTS, documents
from policy_pack.facts.iam.scope import decrypts_with_every_key, full_service_actions, reads_every_bucket
from policy_pack.facts.iam.trust import POD_IDENTITY, is_web_identity
from policy_pack.facts.structure import holds_phi
from policy_pack.stack.checks import Findings, StackContext, expect, guarded, is_not_true, is_true, one_of, violation
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
_FULL_ACCESS_POLICIES = (
    "AdministratorAccess",
    "PowerUserAccess",
    "IAMFullAccess",
    "AmazonS3FullAccess",
    "AWSKeyManagementServicePowerUser",
)
# Properties that name the role of a service of AWS.
_ROLE = re.compile(r"(^|\.)(role|\w*[rR]oleArn)$")
_CALLER_KEYS = (
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:SourceVpce",
    "aws:SourceVpc",
    "aws:SourceArn",
    "aws:SourceAccount",
)
_ADMINISTER = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:CreateGrant")
_USE = ("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom")


@resource_check("AC-01", *IAM_POLICIES, ROLE)
def no_policy_has_full_access(resource: Resource) -> Findings:
    """Refuse all actions of a service on every resource, and iam:*."""
    for document in documents(resource):
        yield from guarded(_full_access(document), document.path)
    for arn in resource.at("managedPolicyArns").items():
        yield from expect(
            arn,
            lambda value: value.rpartition("/")[2] not in _FULL_ACCESS_POLICIES,
            "attaches an AWS managed policy with full access",
        )


def _full_access(document: View) -> Findings:
    for statement in statements(document):
        if not statement.allows:
            continue
        if statement.negated:
            yield violation("allows everything except what it lists", document.path)
        actions = full_service_actions(statement)
        if actions and statement.any_resource:
            message = f"allows whole services ({', '.join(actions)}) on every resource; name actions and ARNs"
            yield violation(message, document.path)
        elif any(action.lower() == "iam:*" for action in statement.actions):
            yield violation("allows iam:*", document.path)


@resource_check("AC-01", *POLICY_ATTACHMENTS)
def no_full_access_policy_is_attached(resource: Resource) -> Findings:
    """Refuse the attachment of AWS managed policies with full access."""
    yield from expect(
        resource.at("policyArn"),
        lambda value: value is None or value.rpartition("/")[2] not in _FULL_ACCESS_POLICIES,
        "attaches an AWS managed policy with full access",
    )


@resource_check("AC-02", *IAM_POLICIES, ROLE)
def decryption_is_limited_to_keys(resource: Resource) -> Findings:
    """Refuse decryption with every KMS key, and reading objects of every bucket."""
    for document in documents(resource):
        yield from guarded(_every_key_or_bucket(document), document.path)


def _every_key_or_bucket(document: View) -> Findings:
    for statement in statements(document):
        if decrypts_with_every_key(statement):
            yield violation("allows decryption with every KMS key; name the ARN of the key", document.path)
        if reads_every_bucket(statement):
            yield violation("allows reading objects of every bucket; name the ARN of the bucket", document.path)


@resource_check("AC-03", ROLE)
def roles_trust_named_principals(resource: Resource) -> Findings:
    """Refuse trust policies that allow anyone, or web identities without conditions on subject and audience."""
    document = resource.at("assumeRolePolicy")
    trust_policy = statements(document)
    if not any(statement.allows and statement.principals for statement in trust_policy):
        yield violation("its trust policy names no principal", document.path)
    for statement in trust_policy:
        if statement.allows:
            yield from _trust(statement, document.path)


def _trust(statement: Statement, path: str) -> Findings:
    if statement.any_principal or statement.negated:
        yield violation("can be assumed by anyone", path)
    if is_web_identity(statement):
        for claim in (":sub", ":aud"):
            if not equals_exactly(statement, claim):
                yield violation(f"a web identity has no StringEquals condition on its {claim[1:]} claim", path)
    if POD_IDENTITY in statement.principals and not statement.covers("sts:TagSession"):
        yield violation("trusts EKS Pod Identity without sts:TagSession, so its sessions have no tags", path)


@resource_check(
    "AC-04",
    "aws:iam/user:User",
    "aws:iam/accessKey:AccessKey",
    "aws:iam/userLoginProfile:UserLoginProfile",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
)
def no_users_or_access_keys(resource: Resource) -> Findings:
    """Refuse IAM users and what belongs to them."""
    yield violation(f"{resource.kind.rpartition(':')[2]} belongs to an IAM user; use a role")


@resource_check(
    "AC-05",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
)
def public_access_is_blocked(resource: Resource) -> Findings:
    """Require all four settings of S3 Block Public Access."""
    for flag in _FLAGS:
        yield from expect(resource.at(flag), is_true, f"{flag} is not true")


@join_check("AC-05", "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock")
def public_access_is_blocked_in_this_account(block: Resource, context: StackContext) -> Findings:
    """Refuse a block of another account, which leaves the buckets of this one open."""
    own, account = own_account(context.graph), block.at("accountId")
    message = f"blocks public access of another account than this stack's ({own}); leave accountId out"
    yield from expect(account, lambda value: not value or not own or str(value) == own, message)


@resource_check("AC-05", "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess")
def public_snapshots_are_blocked(resource: Resource) -> Findings:
    """Require that all public sharing of EBS snapshots is blocked, existing snapshots included."""
    yield from expect(resource.at("state"), one_of("block-all-sharing"), "allows EBS snapshots to be public")


@resource_check("AC-05", "aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission")
def snapshots_are_not_shared(resource: Resource) -> Findings:
    """Refuse EBS snapshots shared with another account; AWS Backup copies them instead."""
    yield violation("shares an EBS snapshot with another account", "accountId", resource)


@resource_check("AC-05", *_SHARED)
def nothing_is_public(resource: Resource) -> Findings:
    """Refuse database snapshots and SSM documents that are public."""
    for account in resource.at(_SHARED[resource.kind]).items():
        yield from expect(account, lambda value: "all" not in value.lower().split(","), "is public")


@join_check("AC-18", ANY)
def services_have_roles_of_the_account(resource: Resource, context: StackContext) -> Findings:
    """Refuse roles of another account as the role of an AWS service."""
    if resource.package != "aws":
        return
    own = own_account(context.graph)
    for path, value in resource.leaves:
        account = account_of(value) if _ROLE.search(path) and isinstance(value, str) else ""
        if account and own and account != own:
            yield violation("has the role of another account", path)


@join_check("AC-06", BUCKET)
def buckets_block_public_access(bucket: Resource, context: StackContext) -> Findings:
    """Require a BucketPublicAccessBlock for each bucket."""
    if not context.attached(bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket", BUCKET_KEYS):
        yield violation("has no BucketPublicAccessBlock")


@resource_check("AC-07", "aws:s3/bucketOwnershipControls:BucketOwnershipControls")
def acls_are_disabled(resource: Resource) -> Findings:
    """Require that ACLs are disabled."""
    yield from expect(
        resource.at("rule.objectOwnership"),
        one_of("BucketOwnerEnforced"),
        "ACLs are not disabled (BucketOwnerEnforced)",
    )


@resource_check("AC-07", "aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketObject:BucketObject", BUCKET)
def acls_are_private(resource: Resource) -> Findings:
    """Refuse public ACLs."""
    yield from expect(
        resource.at("acl"),
        one_of(None, "private", "log-delivery-write"),
        "its ACL grants access to others than the owner",
    )
    for grant in resource.at("grants").items():
        yield from expect(grant.at("uri"), lambda value: not value, "its ACL grants access to a predefined group")


@resource_check("AC-08", BUCKET_POLICY)
def bucket_policies_have_no_public_access(resource: Resource) -> Findings:
    """Refuse an Allow for every principal without a condition on the caller."""
    document = resource.at("policy")
    for statement in statements(document):
        public = statement.any_principal and not is_restricted_by(statement, _CALLER_KEYS)
        if statement.allows and (statement.negated or public):
            yield violation("allows public access", document.path)


@join_check("AC-08", BUCKET)
def phi_buckets_deny_unlisted_principals(bucket: Resource, context: StackContext) -> Findings:
    """Require the policy of a PHI bucket to deny principals or VPC endpoints that it does not list."""
    if not holds_phi(bucket, context):
        return
    policy = policy_statements(context.attached(bucket, BUCKET_POLICY, "bucket", BUCKET_KEYS))
    if not any(_denies_unlisted(statement) for statement in policy):
        yield violation(
            "holds PHI, and its policy does not deny principals (aws:PrincipalArn) or VPC endpoints (aws:SourceVpce) "
            "that it does not list"
        )


def _denies_unlisted(statement: Statement) -> bool:
    keys = ("aws:PrincipalArn", "aws:SourceVpce", "aws:userId")
    denies = not statement.allows and statement.any_principal and statement.covers("s3:GetObject")
    return denies and applies_to_unlisted(statement, keys)


@resource_check("AC-09", KEY)
def key_administrators_are_not_key_users(key: Resource) -> Findings:
    """Refuse key policies that allow anyone, and principals that both administer and use the key."""
    yield from expect(
        key.at("bypassPolicyLockoutSafetyCheck"), is_not_true, "bypasses the lockout safety check of its key policy"
    )
    document = key.at("policy")
    if document.absent:
        yield violation("has the default key policy, so every administrator of the account can decrypt", "policy")
        return
    allowed = [statement for statement in statements(document) if statement.allows]
    for statement in allowed:
        if statement.any_principal and not is_restricted_by(statement, ("kms:CallerAccount", "kms:ViaService")):
            yield violation("is open to anyone", document.path)
    both = _principals(allowed, _ADMINISTER) & _principals(allowed, _USE)
    for principal in sorted(both - {"*"}):
        yield violation(f"{principal} both administers and uses the key", document.path)


def _principals(allowed: list[Statement], actions: tuple[str, ...]) -> set[str]:
    return {value for statement in allowed if statement.covers_any(actions) for _, value in statement.principals}
