"""Unconditional denials in the policies of buckets, queues, topics and repositories."""

from policy_pack.controls.rules import join_check
from policy_pack.facts.iam.callers import FOREIGN_ACCOUNT, caller
from policy_pack.facts.iam.conditions import Context
from policy_pack.facts.iam.documents import Statement, policy_statements
from policy_pack.facts.iam.targets import resource_policy
from policy_pack.facts.iam.weaknesses import denies_everybody
from policy_pack.facts.structure import holds_phi
from policy_pack.stack.checks import Findings, StackContext, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_POLICY, BUCKET_SSE, REPOSITORY
from policy_pack.stack.text import known_text

_MESSAGES = {
    "aws:sns/topic:Topic": ("sns:Publish",),
    "aws:sqs/queue:Queue": ("sqs:SendMessage", "sqs:ReceiveMessage"),
}
_PLAIN: Context = {"aws:securetransport": "false"}
_OLD: Context = {"aws:securetransport": "true", "s3:tlsversion": "1.1"}
_OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
_BUCKET = ("s3:ListBucket", "s3:PutBucketPolicy")
_STRANGER = caller(f"arn:aws:iam::{FOREIGN_ACCOUNT}:role/stranger").context
_IMAGES = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:PutImage", "ecr:SetRepositoryPolicy")
_SSE = "s3:x-amz-server-side-encryption"
_KEY_ID = f"{_SSE}-aws-kms-key-id"
_OWN_KEY_ALGORITHMS = {"aws:kms", "aws:kms:dsse"}
_OTHER_KEY = "arn:aws:kms:us-east-1:000000000000:key/other"


@join_check("TX-02", BUCKET)
def buckets_require_tls_1_2(bucket: Resource, context: StackContext) -> Findings:
    """Require a bucket policy that denies every principal requests without TLS, or with TLS before 1.2."""
    policy, objects = _policy(bucket, context), _objects(bucket)
    if not denies_everybody(policy, _OBJECTS, _PLAIN, objects):
        yield violation("its policy does not deny requests without TLS (aws:SecureTransport)")
    if not denies_everybody(policy, _OBJECTS, _OLD, objects):
        yield violation("its policy does not deny TLS before 1.2 (s3:TlsVersion)")


@join_check("TX-02", *_MESSAGES)
def messages_require_tls(resource: Resource, context: StackContext) -> Findings:
    """Require a policy of each topic and queue that denies every principal requests without TLS."""
    found = _statements(resource, context)
    if found is None:
        yield not_yet_known("policy")
        return
    arn = known_text(resource.at("arn"))
    if not denies_everybody(found, _MESSAGES[resource.kind], _PLAIN, (arn,) if arn else ()):
        yield violation("its policy does not deny requests without TLS (aws:SecureTransport)")


@join_check("ENC-01", BUCKET)
def uploads_name_no_other_key(bucket: Resource, context: StackContext) -> Findings:
    """Require that a bucket with a key of its own denies uploads that name another key, or another encryption."""
    rules = [
        rule
        for encryption in context.attached(bucket, BUCKET_SSE, "bucket", BUCKET_KEYS)
        for rule in encryption.at("rules").items()
    ]
    keys = [rule.at("applyServerSideEncryptionByDefault.kmsMasterKeyId") for rule in rules]
    if all(key.absent for key in keys):
        return
    policy, objects = _policy(bucket, context), _objects(bucket)
    own = {text for key in keys if (text := known_text(key))}
    others = {_OTHER_KEY}
    if all(key.known for key in keys):
        others |= {value for value in _tested(policy, _KEY_ID) if not any(value.endswith(key) for key in own)}
    algorithms = {"AES256", *_tested(policy, _SSE)} - _OWN_KEY_ALGORITHMS
    if not all(denies_everybody(policy, ("s3:PutObject",), {_SSE: name}, objects) for name in algorithms):
        yield violation(f"its policy does not deny uploads with another encryption than aws:kms ({_SSE})")
    named: list[Context] = [{_SSE: "aws:kms", _KEY_ID: key} for key in others]
    if not all(denies_everybody(policy, ("s3:PutObject",), one, objects) for one in named):
        yield violation(f"its policy does not deny uploads with another KMS key ({_KEY_ID})")


def _tested(policy: list[Statement], key: str) -> set[str]:
    """Return the values that the Deny statements of a policy compare a key with, exceptions among them."""
    return {
        value
        for one in policy
        for operator, name, values in one.conditions
        if not one.allows and name.lower() == key and not operator.endswith("Null")
        for value in values
    }


@join_check("AC-08", BUCKET)
def phi_buckets_deny_other_accounts(bucket: Resource, context: StackContext) -> Findings:
    """Require that the policy of a PHI bucket denies principals of every other account, whatever they request."""
    if not holds_phi(bucket, context):
        return
    policy = _policy(bucket, context)
    own = (f"arn:aws:s3:::{name}",) if (name := known_text(bucket.at("bucket"))) else ()
    on_objects = denies_everybody(policy, _OBJECTS, _STRANGER, _objects(bucket))
    if not on_objects or not denies_everybody(policy, _BUCKET, _STRANGER, own):
        yield violation("holds PHI, and its policy does not deny principals of other accounts (aws:PrincipalAccount)")


@join_check("AC-08", REPOSITORY)
def repositories_deny_other_accounts(repository: Resource, context: StackContext) -> Findings:
    """Require that the policy of a repository denies principals of every other account."""
    found = _statements(repository, context)
    if found is None:
        yield not_yet_known("policy")
        return
    if not denies_everybody(found, _IMAGES, _STRANGER):
        yield violation("its policy does not deny principals of other accounts (aws:PrincipalAccount)")


def _statements(resource: Resource, context: StackContext) -> list[Statement] | None:
    """Return the statements of a resource's policy; None where they are not known yet."""
    policy = resource_policy(context.graph, resource)
    if any(one.known_later for one in policy.unreadable):
        return None
    return [item.statement for item in policy.statements or ()]


def _policy(bucket: Resource, context: StackContext) -> list[Statement]:
    return policy_statements(context.attached(bucket, BUCKET_POLICY, "bucket", BUCKET_KEYS))


def _objects(bucket: Resource) -> tuple[str, ...]:
    name = known_text(bucket.at("bucket"))
    return (f"arn:aws:s3:::{name}/*",) if name else ()
