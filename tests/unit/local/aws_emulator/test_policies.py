"""What IAM policies allow and deny, and which permissions an S3 request needs."""

import json
from typing import Any

import pytest

from local.aws_emulator import operations
from local.aws_emulator.access import s3_actions
from local.aws_emulator.access.policies import Ask, Principal, Verdict, judge, like
from local.aws_emulator.messages import AwsError, Request
from local.aws_emulator.moto.backend import Call

ROLE = "arn:aws:iam::123456789012:role/trainer"
SESSION = "arn:aws:sts::123456789012:assumed-role/trainer/pod"
CALLER = Principal(SESSION, "123456789012", frozenset({ROLE, SESSION}))


def verdict(ask: Ask, principal: Principal | None = None, *, delegate: bool = True, **statement: Any) -> Verdict:
    full = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}
    full = {name: value for name, value in full.items() if value is not None}
    return judge(json.dumps({"Version": "2012-10-17", "Statement": full}), ask, principal, delegate)


def ask(resource: str = "arn:aws:s3:::b/k", action: str = "s3:GetObject", **context: str) -> Ask:
    return Ask(action, resource, {name.replace("__", ":"): (value,) for name, value in context.items()})


@pytest.mark.parametrize(
    ("pattern", "value", "hits"),
    [
        ("s3:Get*", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:Get[O]bject", "s3:GetObject", False),
        ("s3:Get", "s3:GetObject", False),
    ],
)
def test_wildcards(pattern: str, value: str, hits: bool) -> None:
    assert like(pattern, value, ignore_case=True) is hits


def test_resources_are_matched_whole_and_with_case() -> None:
    assert verdict(ask(), Resource="arn:aws:s3:::b/*") is Verdict.ALLOW
    assert verdict(ask(), Resource="arn:aws:s3:::B/*") is Verdict.SILENT
    assert verdict(ask(), Resource="arn:aws:s3:::b") is Verdict.SILENT
    assert verdict(ask(), Resource=None, NotResource="arn:aws:s3:::b/*") is Verdict.SILENT
    assert verdict(ask(), Action=None, NotAction="s3:Put*") is Verdict.ALLOW


def test_what_is_not_known_opens_no_door() -> None:
    # A resource that the emulator does not know is only covered by a statement about everything.
    assert verdict(Ask("sqs:SendMessage", "*"), Action="sqs:*", Resource="arn:aws:sqs:*:*:q") is Verdict.SILENT
    assert verdict(Ask("sqs:X", "*"), Effect="Deny", Action="sqs:*", Resource="arn:aws:sqs:*:*:q") is Verdict.DENY
    strange = {"BinaryEquals": {"aws:x": "eA=="}}
    assert verdict(ask(aws__x="x"), Condition=strange) is Verdict.SILENT
    assert verdict(ask(aws__x="x"), Effect="Deny", Condition=strange) is Verdict.DENY
    assert verdict(ask(), Resource="arn:aws:s3:::b/${aws:absent}k") is Verdict.SILENT


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"),
    [
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", "A", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringLike", "features/*", "features/x", True),
        ("StringNotLike", "features/*", "features/x", False),
        ("Bool", "true", "true", True),
        ("Bool", "false", None, False),
        ("BoolIfExists", "false", None, True),
        ("NumericLessThan", "1.2", "1.1", True),
        ("NumericGreaterThanEquals", 10, "10", True),
        ("NumericLessThan", "1.2", "no number", False),
        ("DateGreaterThan", "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("IpAddress", "10.0.0.0/8", "10.2.3.4", True),
        ("NotIpAddress", "10.0.0.0/8", "10.2.3.4", False),
        ("Null", "true", None, True),
        ("Null", "false", None, False),
        ("Null", True, "x", False),
        ("ForAllValues:StringEquals", "a", None, True),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAnyValue:StringEquals", ["a", "b"], "b", True),
        ("Nonsense", "a", "a", False),
    ],
)
def test_conditions(operator: str, wanted: Any, value: str | None, holds: bool) -> None:
    context = {} if value is None else {"aws:key": (value,)}
    found = verdict(Ask("s3:GetObject", "r", context), Condition={operator: {"aws:Key": wanted}})
    assert found is (Verdict.ALLOW if holds else Verdict.SILENT)


def test_principals() -> None:
    root = "arn:aws:iam::123456789012:root"
    assert verdict(ask(), CALLER, Principal={"AWS": ROLE}) is Verdict.ALLOW
    assert verdict(ask(), CALLER, Principal={"AWS": [SESSION]}) is Verdict.ALLOW
    assert verdict(ask(), CALLER, Principal={"AWS": ROLE + "2"}) is Verdict.SILENT
    assert verdict(ask(), CALLER, Principal={"AWS": root}) is Verdict.ALLOW
    assert verdict(ask(), CALLER, Principal={"AWS": root}, delegate=False) is Verdict.SILENT
    assert verdict(ask(), CALLER, Principal={"AWS": root}, Effect="Deny", delegate=False) is Verdict.DENY
    assert verdict(ask(), CALLER, Principal=None, NotPrincipal={"AWS": ROLE}, Effect="Deny") is Verdict.SILENT
    assert verdict(ask(), CALLER, Principal={"Service": "s3.amazonaws.com"}) is Verdict.SILENT
    assert verdict(ask(), CALLER, Principal=None) is Verdict.SILENT


def test_a_deny_wins_over_an_allow() -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}
    for order in ([allow, deny], [deny, allow]):
        assert judge(json.dumps({"Statement": order}), ask()) is Verdict.DENY


def needed(method: str, target: str, body: bytes = b"", **headers: str) -> list[tuple[str, str]]:
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return [(need.action, need.resource) for need in s3_actions.needs(Request(method, target, sent, body))]


@pytest.mark.parametrize(
    ("method", "target", "action", "resource"),
    [
        ("GET", "/", "s3:ListAllMyBuckets", "*"),
        ("GET", "/b?list-type=2&prefix=x", "s3:ListBucket", "arn:aws:s3:::b"),
        ("GET", "/b/?versions", "s3:ListBucketVersions", "arn:aws:s3:::b"),
        ("GET", "/b/a/k%20y", "s3:GetObject", "arn:aws:s3:::b/a/k y"),
        ("HEAD", "/b/k", "s3:GetObject", "arn:aws:s3:::b/k"),
        ("GET", "/b/k?versionId=v", "s3:GetObjectVersion", "arn:aws:s3:::b/k"),
        ("DELETE", "/b/k?versionId=v", "s3:DeleteObjectVersion", "arn:aws:s3:::b/k"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "s3:PutObject", "arn:aws:s3:::b/k"),
        ("DELETE", "/b/k?uploadId=u", "s3:AbortMultipartUpload", "arn:aws:s3:::b/k"),
        ("PUT", "/b?policy", "s3:PutBucketPolicy", "arn:aws:s3:::b"),
        ("DELETE", "/b?encryption", "s3:PutEncryptionConfiguration", "arn:aws:s3:::b"),
        ("DELETE", "/b", "s3:DeleteBucket", "arn:aws:s3:::b"),
        ("DELETE", "/v20180820/configuration/publicAccessBlock", "s3:PutAccountPublicAccessBlock", "*"),
    ],
)
def test_what_a_request_needs(method: str, target: str, action: str, resource: str) -> None:
    assert needed(method, target) == [(action, resource)]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "//b/k"),
        ("GET", "/b%2Fc/k"),
        ("PUT", "/moto%2Dapi/reset"),
        ("PUT", "/v20180820/accesspoint/b"),
        ("PUT", "/v20180820/configuration/publicAccessBlock?acl"),
        ("GET", "http://elsewhere/b/k"),
        ("GET", "/b/k?acl&tagging"),
        ("GET", "/b/k?uploadId="),
        ("DELETE", "/b/k?uploadId="),
        ("GET", "/b/k?retention"),
        ("DELETE", "/b?versioning"),
        ("GET", "/b?prefix=a&prefix=b"),
        ("GET", "/b?surprise"),
        ("POST", "/b"),
        ("PATCH", "/b/k"),
    ],
)
def test_a_request_that_no_row_describes_is_left_to_the_administrator(method: str, target: str) -> None:
    assert [action for action, _ in needed(method, target)] == [s3_actions.UNCLASSIFIED]


def test_a_body_where_none_belongs_is_left_to_the_administrator() -> None:
    assert needed("DELETE", "/b/k", b'{"versionId": "v"}') == [(s3_actions.UNCLASSIFIED, "*")]
    assert needed("PUT", "/b/k", b"x", content_type="multipart/form-data; boundary=x")[0][0] == s3_actions.UNCLASSIFIED


def test_a_copy_needs_its_source() -> None:
    found = needed("PUT", "/b/k", x_amz_copy_source="/other/a%20b?versionId=v")
    assert found == [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObjectVersion", "arn:aws:s3:::other/a b")]
    assert needed("PUT", "/b/k", x_amz_copy_source="nonsense")[1][0] == s3_actions.UNCLASSIFIED


def test_every_object_of_a_bulk_deletion_counts() -> None:
    body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>v</VersionId></Object></Delete>"
    assert needed("POST", "/b?delete", body) == [
        ("s3:DeleteObject", "arn:aws:s3:::b/a"),
        ("s3:DeleteObjectVersion", "arn:aws:s3:::b/b"),
    ]
    for broken in (b"", b"<Delete/>", b"<Delete><Object/></Delete>", b"no xml"):
        assert needed("POST", "/b?delete", broken)[0][0] == s3_actions.UNCLASSIFIED


def operation(body: bytes, target: str = "", content_type: str = "", query: str = "") -> str:
    headers = (("x-amz-target", target), ("content-type", content_type))
    sent = Request("POST", f"/{query}", tuple(pair for pair in headers if pair[1]), body)
    return operations.name(Call(sent, "kms", "us-east-1", "AKIA"))


def test_an_operation_is_named_once_or_left_to_the_administrator() -> None:
    form = "application/x-www-form-urlencoded; charset=utf-8"
    assert operation(b"{}", target="TrentService.Encrypt") == "Encrypt"
    assert operation(b"Action=ListRoles&Version=1", content_type=form) == "ListRoles"
    hidden = b'{"EncryptionContext": {"a": "&Action=ScheduleKeyDeletion&"}}'
    assert operation(hidden, target="TrentService.Encrypt") == operations.UNCLASSIFIED
    assert operation(b"Action=ListRoles&Action=DeleteRole", content_type=form) == operations.UNCLASSIFIED
    assert operation(b"Action=ListRoles", content_type=form, query="?Action=DeleteRole") == operations.UNCLASSIFIED
    assert operation(b"Action=DeleteRole", target="x.ListRoles") == operations.UNCLASSIFIED


@pytest.mark.parametrize("path", ["/moto-api/reset", "/moto%2Dapi/reset", "/latest/meta-data/"])
def test_the_control_paths_are_closed_to_everybody(path: str) -> None:
    with pytest.raises(AwsError, match="closed"):
        operations.refuse_unfit(Request("POST", path, (), b""), "sqs", "SendMessage")


def test_what_only_reads_is_not_journalled() -> None:
    def reads(service: str, name: str, method: str = "POST") -> bool:
        return operations.only_reads(Request(method, "/", (), b""), service, name)

    assert reads("kms", "Decrypt")
    assert reads("iam", "ListRoles")
    assert reads("s3", operations.UNCLASSIFIED, "GET")
    assert not reads("kms", "CreateKey")
    assert not reads("iam", "CreateRole")
    assert not reads("s3", operations.UNCLASSIFIED)
