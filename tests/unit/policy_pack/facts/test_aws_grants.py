"""Grants of AWS, tried as somebody who widens each field that the API of a policy, a trust, a key or an ACL has."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from policy_pack.facts.grants.comparison import Beyond, beyond
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.facts.verbs import Verb
from policy_pack.settings import load
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from tests.policy import recorded
from tests.policy.builders import PREFIX, build, document, listed

ACCOUNT, OTHER = "123456789012", "210987654321"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
BUCKET_POLICY, KEY = "aws:s3/bucketPolicy:BucketPolicy", "aws:kms/key:Key"
RAW = "arn:aws:s3:::hmlops-dev-north-raw"
RAW_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/north-raw"
PLANNER = f"arn:aws:iam::{ACCOUNT}:role/hmlops-dev-south-planner"
SOMEONE = f"arn:aws:iam::{ACCOUNT}:user/someone"
READ_RAW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{RAW}/*"}
Change = Callable[[dict[str, Any]], None]
STACK = recorded.unchanged("dev").graph()


def found(resources: list[Resource]) -> list[Beyond]:
    context = AccessContext(Graph(resources, "dev"), load())
    return beyond(all_grants(context), context.table)


def with_change(kind: str, name: str, path: str, change: Change) -> list[Resource]:
    """Return the stack with a changed policy document."""

    def changed(resource: Resource) -> Resource:
        written = json.loads(resource.props[path])
        written["Statement"] = copy.deepcopy(listed(written["Statement"]))
        change(written)
        return replace(resource, props={**resource.props, path: json.dumps(written)})

    assert any((one.kind, one.name) == (kind, name) for one in STACK)
    return [changed(one) if (one.kind, one.name) == (kind, name) else one for one in STACK]


def adding(**parts: Any) -> Change:
    return lambda written: written["Statement"].append({"Effect": "Allow", **parts})


def first(**parts: Any) -> Change:
    return lambda written: written["Statement"][0].update(parts)


def trust(**condition: Any) -> Change:
    return first(Condition=condition)


def without(sid: str) -> Change:
    def change(written: dict[str, Any]) -> None:
        written["Statement"] = [one for one in written["Statement"] if one.get("Sid") != sid]

    return change


def opened(*changes: Change) -> Change:
    def change(written: dict[str, Any]) -> None:
        for one in changes:
            one(written)

    return change


ISSUER = "172.31.250.1:6443"
AUD = {f"{ISSUER}:aud": "sts.amazonaws.com"}
TRUSTS = [
    trust(StringLike={f"{ISSUER}:sub": "system:serviceaccount:*:*", **AUD}),
    trust(StringLike={f"{ISSUER}:sub": "system:serviceaccount:north-serving:*"}),
    trust(StringEquals={f"{ISSUER}:sub": ["system:serviceaccount:north-serving:planner", "system:serviceaccount:x:y"]}),
    trust(StringEquals=AUD),
    trust(StringNotEquals={f"{ISSUER}:sub": "system:serviceaccount:x:y"}),
    trust(StringEqualsIfExists={"other.example:sub": "system:serviceaccount:north-serving:planner"}),
    trust(**{"ForAllValues:StringEquals": {"other.example:sub": "system:serviceaccount:north-serving:planner"}}),
    first(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}),
    adding(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": ACCOUNT}, Action="sts:*"),
    adding(Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": f"arn:aws:iam::{OTHER}:role/x"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": "AROAEXAMPLE"}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": "*"}, Action="sts:AssumeRole", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
    adding(Principal="*", Action="*"),
    adding(NotPrincipal={"AWS": PLANNER}, Action="sts:AssumeRole"),
    adding(Principal={"AWS": PLANNER}, Action="sts:AssumeRole"),
    adding(Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole"),
    adding(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/sso"}, Action="sts:AssumeRoleWithSAML"),
    adding(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/someone"}, NotAction="sts:TagSession"),
]


@pytest.mark.parametrize("change", TRUSTS)
def test_a_wider_trust_policy_is_refused(change: Change) -> None:
    assert found(with_change(ROLE, "north-planner", "assumeRolePolicy", change))


IDENTITY = [
    adding(Action="s3:ListBucket", Resource="arn:aws:s3:::hmlops-dev-north-curated"),
    adding(Action="s3:Get*", Resource="arn:aws:s3:::hmlops-dev-*"),
    adding(Action="S3:GETOBJECT", Resource="arn:aws:s3:::hmlops-dev-south-curated/*"),
    adding(NotAction="iam:*", Resource="*"),
    adding(Action="*", NotResource="arn:aws:s3:::hmlops-dev-north-curated/*"),
    adding(Action="s3:*", Resource="arn:aws:s3:::hmlops-dev-south-curated"),
    adding(Action="s3:PutReplicationConfiguration", Resource="*"),
    adding(Action="s3:DeleteObject", Resource="arn:aws:s3:::${aws:PrincipalTag/bucket}/*"),
    adding(Action="s3:ListBucket", Resource="*", Condition={"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}),
    adding(Action="s3:ListBucket", Resource="*", Condition={"Unparsable": {"x": "y"}}),
    adding(Action="kms:PutKeyPolicy", Resource="*"),
    adding(Action="backup:StartRestoreJob", Resource="*"),
    adding(Action="iam:PassRole", Resource="*"),
    adding(Action="iam:UpdateAssumeRolePolicy", Resource=f"arn:aws:iam::{ACCOUNT}:role/hmlops-dev-*"),
    adding(Action="sts:AssumeRole", Resource=f"arn:aws:iam::{ACCOUNT}:role/hmlops-dev-north-ingestor"),
    adding(Action="logs:GetLogEvents", Resource="*"),
    adding(Action="cloudtrail:StopLogging", Resource="*"),
    adding(Action="sns:Subscribe", Resource="*"),
    adding(Action="s3:SomethingNew", Resource="arn:aws:s3:::hmlops-dev-south-curated"),
    # Secrets that others than the stack create: of RDS, of the operator of a database.
    adding(Action="secretsmanager:GetSecretValue", Resource="*"),
    adding(Action="secretsmanager:GetSecretValue", Resource="arn:aws:secretsmanager:*:*:secret:rds!cluster-*"),
    adding(Action="secretsmanager:*", Resource=f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:x-??????"),
]


@pytest.mark.parametrize("change", IDENTITY)
def test_a_wider_identity_policy_is_refused(change: Change) -> None:
    (one, *_) = found(with_change(ROLE_POLICY, "south-planner", "policy", change))
    assert "ServiceAccount south-serving/planner -> role south-planner" in one.message


def test_reading_another_hospital_s_data_is_refused_with_its_path() -> None:
    named = opened(without("NamedOnly"), adding(Principal={"AWS": PLANNER}, Action="s3:GetObject", Resource=f"{RAW}/*"))
    resources = with_change(BUCKET_POLICY, "north-raw", "policy", named)
    changed = {one.urn: one for one in with_change(KEY, "north-raw", "policy", _decrypting({"AWS": PLANNER}))}
    both = [changed[one.urn] if one.kind == KEY and one.name == "north-raw" else one for one in resources]
    messages = [one.message for one in found(both) if "south-serving/planner" in one.message]
    start = (
        "ServiceAccount south-serving/planner -> role south-planner (trust policy, statement 1) -> policy of north-raw"
    )
    sentence = "-> bucket north-raw: s3:GetObject; access.yaml does not let planning use raw"
    assert any(message.startswith(start) and sentence in message for message in messages), messages


def _decrypting(principal: Any, **parts: Any) -> Change:
    return adding(Principal=principal, Action="kms:Decrypt", Resource="*", **parts)


def of_sid(sid: str, change: Change) -> Change:
    def apply(written: dict[str, Any]) -> None:
        for one in written["Statement"]:
            if one.get("Sid") == sid:
                change(one)

    return apply


BUCKETS = [
    without("NamedOnly"),
    opened(
        without("ThisAccountOnly"),
        adding(Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}, Action="s3:ListBucket", Resource=RAW),
    ),
    opened(
        without("ThisAccountOnly"),
        adding(
            Principal={"AWS": "*"},
            Action="s3:ListBucket",
            Resource=RAW,
            Condition={"StringEquals": {"s3:DataAccessPointAccount": ACCOUNT}},
        ),
    ),
    of_sid("ThisAccountOnly", lambda one: one.update(Effect="Allow")),
    of_sid("NamedOnly", lambda one: one.update(Action="s3:PutObject")),
    of_sid("NamedOnly", lambda one: one.update(Resource=f"{RAW}/a/*")),
    of_sid("NamedOnly", lambda one: one["Condition"]["ArnNotLike"]["aws:PrincipalArn"].append(SOMEONE)),
    of_sid("NamedOnly", lambda one: one["Condition"].update({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})),
]


@pytest.mark.parametrize("change", BUCKETS)
def test_a_weaker_bucket_policy_is_refused(change: Change) -> None:
    assert found(with_change(BUCKET_POLICY, "north-raw", "policy", change))


KEYS = [
    first(Action="kms:*"),
    first(Action="kms:Decrypt"),
    _decrypting({"AWS": "*"}),
    _decrypting({"AWS": "*"}, Condition={"StringLike": {"kms:ViaService": "*"}}),
    _decrypting({"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": "true"}}),
    _decrypting({"AWS": PLANNER}),
    _decrypting({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/hmlops-dev-south-planner/x"}),
    _decrypting({"AWS": OTHER}),
    _decrypting({"Service": "lambda.amazonaws.com"}),
    adding(NotPrincipal={"AWS": PLANNER}, Action="kms:ReEncryptFrom", Resource="*"),
    adding(Principal={"AWS": PLANNER}, Action="kms:CreateGrant", Resource="*"),
    adding(Principal={"AWS": PLANNER}, NotAction="kms:Describe*", Resource="*"),
]


@pytest.mark.parametrize("change", KEYS)
def test_a_wider_key_policy_is_refused(change: Change) -> None:
    assert found(with_change(KEY, "north-raw", "policy", change))


def condition_without(sid: str, *keys: str) -> Change:
    """Return the change that removes keys of a statement's conditions; all of them where none is named."""

    def change(written: dict[str, Any]) -> None:
        [statement] = [one for one in written["Statement"] if one.get("Sid") == sid]
        tests = statement.pop("Condition")
        rest = {
            operator: left
            for operator, values in tests.items()
            if keys and (left := {key: value for key, value in values.items() if key not in keys})
        }
        statement.update({"Condition": rest} if rest else {})

    return change


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        (KEY, "north-audit", condition_without("Readers"), "lets audit-verifier decrypt audit-kms-key"),
        (KEY, "north-raw", condition_without("Writers", "kms:ViaService"), "lets ingest write, decrypt raw-kms-key"),
        (KEY, "backup", condition_without("OnBehalf", "kms:ViaService"), "every principal of the account"),
        (
            KEY,
            "backup",
            condition_without("OnBehalf", f"aws:PrincipalTag/{PREFIX}/hospital"),
            "ServiceAccount north-phi/care -> role north-care",
        ),
        (
            BUCKET_POLICY,
            "north-models",
            condition_without("ReadmissionWrittenOnce", "s3:if-none-match", "s3:ObjectCreationOperation"),
            "",
        ),
        (BUCKET_POLICY, "north-models", without("ReadmissionWrittenOnce"), "lets promotion read, write releases"),
        (BUCKET_POLICY, "north-audit", without("ChainWrittenOnce"), "lets anchor read, write chain"),
        (BUCKET_POLICY, "north-audit", without("ReidentificationWrittenOnce"), "reidentify write identity-log"),
    ],
)
def test_a_condition_that_limits_how_data_is_used_is_needed(kind: str, name: str, change: Change, words: str) -> None:
    texts = [one.message for one in found(with_change(kind, name, "policy", change))]
    assert any(words in text for text in texts) if words else texts == []


def test_the_policy_of_a_key_limits_what_a_role_s_own_policy_does_not() -> None:
    def unconditional(written: dict[str, Any]) -> None:
        for statement in written["Statement"]:
            statement.pop("Condition", None)

    refused = found(with_change(ROLE_POLICY, "north-care", "policy", unconditional))
    assert not [one for one in refused if "kms:" in one.message]


def test_a_session_whose_tags_others_choose_may_use_what_a_tag_opens() -> None:
    tagging = adding(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sts:TagSession")
    messages = [one.message for one in found(with_change(ROLE, "north-care", "assumeRolePolicy", tagging))]
    assert any("key backup: kms:Decrypt" in one for one in messages)


def _user() -> Resource:
    return build("aws:iam/user:User", "someone", {"name": "someone", "arn": SOMEONE})


ANY = document({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
ADDED = {
    "a managed policy of AWS": [
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "x",
            {"role": "hmlops-dev-north-planner", "policyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
        )
    ],
    "a managed policy that nobody knows": [
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "x",
            {"role": "hmlops-dev-north-planner", "policyArn": "arn:aws:iam::aws:policy/Unknown"},
        )
    ],
    "an exclusive attachment": [
        build(
            "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
            "x",
            {"roleName": "hmlops-dev-north-planner", "policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
        )
    ],
    "a user": [_user(), build("aws:iam/userPolicy:UserPolicy", "x", {"user": "someone", "policy": ANY})],
    "a group": [
        _user(),
        build("aws:iam/group:Group", "staff", {"name": "staff"}),
        build("aws:iam/groupPolicy:GroupPolicy", "x", {"group": "staff", "policy": ANY}),
        build("aws:iam/userGroupMembership:UserGroupMembership", "x", {"user": "someone", "groups": ["staff"]}),
    ],
    "a KMS grant": [
        build("aws:kms/grant:Grant", "x", {"keyId": RAW_KEY, "granteePrincipal": PLANNER, "operations": ["Decrypt"]})
    ],
    "a KMS grant to another account": [
        build(
            "aws:kms/grant:Grant",
            "x",
            {"keyId": RAW_KEY, "granteePrincipal": f"arn:aws:iam::{OTHER}:root", "operations": ["Decrypt"]},
        )
    ],
    "an access point": [
        build(
            "aws:s3/accessPoint:AccessPoint",
            "x",
            {
                "bucket": "hmlops-dev-north-models",
                "policy": document(
                    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Principal": {"AWS": PLANNER}}
                ),
            },
        )
    ],
    "a pod identity": [
        build(
            "aws:eks/podIdentityAssociation:PodIdentityAssociation",
            "x",
            {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/pods", "namespace": "south-serving", "serviceAccount": "planner"},
        ),
        build(
            ROLE,
            "pods",
            {
                "name": "pods",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/pods",
                "assumeRolePolicy": document(
                    {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ),
                "inlinePolicies": [{"name": "x", "policy": ANY}],
            },
        ),
    ],
    "a resource policy of an undescribed kind": [
        build(
            "aws:glue/resourcePolicy:ResourcePolicy",
            "x",
            {"policy": document({"Effect": "Allow", "Principal": "*", "Action": "glue:*", "Resource": "*"})},
        )
    ],
    "a share": [build("aws:ram/resourceShare:ResourceShare", "x", {"name": "x"})],
    "a snapshot": [build("aws:rds/clusterSnapshot:ClusterSnapshot", "x", {"sharedAccounts": [OTHER]})],
    "a bucket that is not described": [
        build("aws:s3/bucket:Bucket", "north-copy", {"bucket": "copy", "arn": "arn:aws:s3:::copy"})
    ],
}


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED.keys())
def test_another_way_to_grant_is_refused(added: list[Resource]) -> None:
    assert found([*STACK, *added])


@pytest.mark.parametrize("acl", ["public-read", "public-read-write", "authenticated-read", "aws-exec-read"])
def test_an_acl_counts_where_acls_are_not_disabled(acl: str) -> None:
    public = build("aws:s3/bucketAcl:BucketAcl", "x", {"bucket": "hmlops-dev-north-raw", "acl": acl})
    assert not found([*STACK, public])
    guards = ("BucketOwnershipControls", "BucketPublicAccessBlock", "AccountPublicAccessBlock")
    enabled = [one for one in STACK if not one.kind.endswith(guards)]
    assert found([*enabled, public])


def test_a_boundary_limits_what_identity_policies_grant() -> None:
    wide = with_change(ROLE_POLICY, "south-planner", "policy", adding(Action="s3:ListBucket", Resource="*"))
    assert found(wide)
    bound = build("aws:iam/policy:Policy", "bound", {"arn": "arn:bound", "policy": document(READ_RAW)})
    held = [
        replace(one, props={**one.props, "permissionsBoundary": "arn:bound"})
        if (one.kind, one.name) == (ROLE, "south-planner")
        else one
        for one in wide
    ]
    assert not [one for one in found([*held, bound]) if "south-planner" in one.message]


def with_value(kind: str, name: str, path: str, value: object) -> list[Resource]:
    def changed(one: Resource) -> Resource:
        return replace(one, props={**one.props, path: value}) if (one.kind, one.name) == (kind, name) else one

    return [changed(one) for one in STACK]


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        (ROLE_POLICY, "north-planner", "policy"),
        (ROLE, "north-planner", "assumeRolePolicy"),
        (KEY, "north-raw", "policy"),
    ],
)
def test_an_unknown_policy_counts_as_granted_and_is_not_yet_known(kind: str, name: str, path: str) -> None:
    assert {one.certain for one in found(with_value(kind, name, path, UNKNOWN))} == {False}


def test_an_unreadable_policy_counts_as_granted() -> None:
    (one,) = found(with_value(ROLE_POLICY, "north-planner", "policy", "{"))
    assert "policy north-planner cannot be read" in one.message
    assert one.certain


AUDIT = "arn:aws:s3:::hmlops-dev-north-audit"


@pytest.mark.parametrize(
    ("denied", "reached"),
    [
        ([], {"identity-log", "removal-log", "chain", "audit"}),
        ([{"Resource": f"{AUDIT}/chain/*"}], {"identity-log", "removal-log", "audit"}),
        ([{"Resource": f"{AUDIT}/ch*"}], {"identity-log", "removal-log", "audit"}),
        ([{"Resource": f"{AUDIT}/chain/2026/*"}], {"identity-log", "removal-log", "chain", "audit"}),
        ([{"NotResource": f"{AUDIT}/chain/*"}], {"chain", "audit"}),
        (
            [{"Resource": f"{AUDIT}/chain/*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}],
            {"identity-log", "removal-log", "chain", "audit"},
        ),
        ([{"Resource": [f"{AUDIT}/chain/*", f"{AUDIT}/database-removal/*"]}], {"identity-log", "audit"}),
    ],
)
def test_a_deny_of_a_prefix_is_taken_from_what_is_allowed_on_the_bucket(
    denied: list[dict[str, Any]], reached: set[str]
) -> None:
    def change(written: dict[str, Any]) -> None:
        written["Statement"].append({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{AUDIT}/*"})
        written["Statement"] += [{"Effect": "Deny", "Action": "s3:GetObject", **one} for one in denied]

    context = AccessContext(Graph(with_change(ROLE_POLICY, "north-reidentifier", "policy", change), "dev"), load())
    read = {
        one.data.name
        for one in all_grants(context)
        if one.subject.name == "ServiceAccount phi/reidentifier" and one.verb is Verb.READ and "audit" in one.path[-1]
    }
    assert read == reached
