"""The pack's IAM evaluation compared with the AWS emulator's own, on random policies and requests.

The pack knows less of a request than the emulator: its answer may be wider, and never narrower. Where it knows every
condition key, and the policies name whole targets, both answers are equal.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.aws_emulator.access import policies as emulator
from policy_pack.facts.iam.actions import Level, actions
from policy_pack.facts.iam.callers import Caller, caller
from policy_pack.facts.iam.conditions import Outcome, evaluate, request_conditions
from policy_pack.facts.iam.documents import statements
from policy_pack.facts.iam.evaluation import AppliedPolicies
from policy_pack.facts.iam.policies import PolicyStatement
from policy_pack.facts.iam.targets import RequestKind, Target, kinds
from policy_pack.facts.verbs import Verb
from policy_pack.stack.values import UNKNOWN, View
from tests.policy.builders import build

pytestmark = pytest.mark.process

ACCOUNT, FOREIGN = "123456789012", "210987654321"
ARN = f"arn:aws:iam::{ACCOUNT}:role/north-planner"
BUCKET = "arn:aws:s3:::north-raw"
TARGET = Target(
    build("aws:s3/bucket:Bucket", "north-raw", {"bucket": "north-raw", "arn": BUCKET}),
    kinds()["aws:s3/bucket:Bucket"],
    {Level.STORE: BUCKET, Level.CONTENTS: f"{BUCKET}/*"},
)
CONTEXT = {
    "aws:principalarn": ARN,
    "aws:principalaccount": ACCOUNT,
    "aws:principaltag/hospital": "north",
    "aws:multifactorauthage": "120",
    "aws:sourceip": "10.0.0.7",
    "aws:currenttime": "2026-01-02T03:04:05Z",
    "aws:securetransport": "true",
}
ABSENT = "aws:sourcevpce"
NAMES = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutBucketPolicy"]
PATTERNS = [*NAMES, "s3:*", "s3:Get*", "S3:getobject", "s3:*Object", "*", "kms:*", "s3:?etObject", "s3:Put*Policy"]
WHOLE = [f"{BUCKET}", f"{BUCKET}/*", "*", "arn:aws:s3:::north-*", "arn:aws:s3:::south-raw/*", "arn:aws:s3:::*/*"]
PARTS = [*WHOLE, f"{BUCKET}/tables/*", f"{BUCKET}/t?bles/a", "arn:aws:s3:::${aws:PrincipalTag/hospital}-raw/*"]
TEXTS = [ARN, "*", "arn:aws:iam::*:role/n*", ACCOUNT, "north", "south", "${aws:PrincipalTag/hospital}", "${aws:x}", ""]
KEYS = st.sampled_from([*CONTEXT, ABSENT, "aws:PrincipalTag/hospital", "aws:PrincipalArn"])
VALUES = {
    "String": st.sampled_from(TEXTS),
    "Arn": st.sampled_from([ARN, f"arn:aws:iam::{FOREIGN}:role/x", "arn:aws:iam::*:role/*", "arn:aws:iam::1:*"]),
    "Numeric": st.sampled_from(["1", "120", "3600", "x"]),
    "Date": st.sampled_from(["2026-01-01T00:00:00Z", "2027-01-01", "1767225600", "x"]),
    "Bool": st.sampled_from(["true", "false", "TRUE"]),
    "Ip": st.sampled_from(["10.0.0.0/8", "192.0.2.0/24", "10.0.0.7", "x"]),
}
OPERATORS = {
    "String": ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"],
    "Arn": ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
    "Numeric": ["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"],
    "Date": ["DateEquals", "DateLessThan", "DateGreaterThan"],
    "Bool": ["Bool"],
    "Ip": ["IpAddress", "NotIpAddress"],
}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 2))):
        if draw(st.booleans()) and draw(st.booleans()):
            found["Null"] = {draw(KEYS): draw(st.sampled_from(["true", "false"]))}
            continue
        kind = draw(st.sampled_from(list(OPERATORS)))
        operator = draw(st.sampled_from(OPERATORS[kind])) + draw(st.sampled_from(["", "", "IfExists"]))
        operator = draw(st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:"])) + operator
        found[operator] = {draw(KEYS): draw(st.lists(VALUES[kind], min_size=1, max_size=2))}
    return found


@st.composite
def documents(draw: st.DrawFn, resources: list[str], *, principal: bool) -> str:
    written = []
    for _ in range(draw(st.integers(1, 4))):
        entry: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
        negated = draw(st.sampled_from(["", "", "", "Not"]))
        entry[f"{negated}Action"] = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3))
        negated = draw(st.sampled_from(["", "", "", "Not"]))
        entry[f"{negated}Resource"] = draw(st.lists(st.sampled_from(resources), min_size=1, max_size=2))
        if found := draw(conditions()):
            entry["Condition"] = found
        if principal:
            named = st.sampled_from([ARN, "*", f"arn:aws:iam::{FOREIGN}:root", f"arn:aws:iam::{ACCOUNT}:role/other"])
            negated = draw(st.sampled_from(["", "", "", "Not"])) if entry["Effect"] == "Allow" else ""
            entry[f"{negated}Principal"] = {"AWS": draw(st.lists(named, min_size=1, max_size=2))}
        written.append(entry)
    return json.dumps({"Version": "2012-10-17", "Statement": written})


def parsed(text: str) -> tuple[PolicyStatement, ...]:
    return tuple(PolicyStatement(one, "policy") for one in statements(View(text)))


def by_pack(identity: str, boundary: str | None, resource: str, context: dict[str, str | None]) -> dict[str, list[str]]:
    """Return the parts of the bucket on which the pack allows each action."""
    by = Caller(ARN, ACCOUNT, context)
    applied = AppliedPolicies(parsed(identity), parsed(boundary) if boundary else None, parsed(resource), True)
    parts: dict[str, list[str]] = {}
    for one in applied.allowed(by, TARGET):
        for action in one.actions:
            if action.level is not Level.CONTENTS or action in one.on(f"{BUCKET}/tables/*"):
                parts.setdefault(action.name, []).append(one.part)
    return parts


def by_emulator(identity: str, boundary: str | None, resource: str, action: str, arn: str) -> bool:
    """Return whether the emulator's evaluation allows a request, combined as AWS combines policies."""
    ask = emulator.Ask(action, arn, {key: (value,) for key, value in CONTEXT.items()})
    who = emulator.Principal(ARN, ACCOUNT, frozenset({ARN}))
    own = emulator.judge(identity, ask)
    bound = emulator.judge(boundary, ask) if boundary else emulator.Verdict.ALLOW
    named = emulator.judge(resource, ask, who, delegate=False)
    if emulator.Verdict.DENY in (own, bound, named):
        return False
    by_identity = own is emulator.Verdict.ALLOW and bound is emulator.Verdict.ALLOW
    return by_identity or named is emulator.Verdict.ALLOW


def resource_of(action: str) -> str:
    return f"{BUCKET}/tables/a" if actions("s3")[action.lower()].level is Level.CONTENTS else BUCKET


def includes(parts: list[str], arn: str) -> bool:
    return any(emulator.like(part, arn) for part in parts)


@settings(max_examples=400, deadline=None)
@given(
    documents(PARTS, principal=False), st.none() | documents(PARTS, principal=False), documents(PARTS, principal=True)
)
def test_what_the_emulator_allows_the_pack_allows(identity: str, boundary: str | None, resource: str) -> None:
    context: dict[str, str | None] = {**CONTEXT, ABSENT: None}
    parts, unknown = by_pack(identity, boundary, resource, context), by_pack(identity, boundary, resource, {})
    for action in NAMES:
        arn = resource_of(action)
        if by_emulator(identity, boundary, resource, action, arn):
            assert includes(parts.get(action, []), arn), action
            # Without knowledge of the request, it allows no less.
            assert includes(unknown.get(action, []), arn), action


@settings(max_examples=400, deadline=None)
@given(documents(WHOLE, principal=False), documents(WHOLE, principal=True))
def test_where_all_is_known_both_are_equal(identity: str, resource: str) -> None:
    context: dict[str, str | None] = {**CONTEXT, ABSENT: None, "aws:x": None}
    by = Caller(ARN, ACCOUNT, context)
    every = [*parsed(identity), *parsed(resource)]
    if any(request_conditions(one.statement, by.context) for one in every):
        return  # a value that its operator cannot read: the pack counts it as granted, the emulator as denied
    parts = by_pack(identity, None, resource, context)
    for action in NAMES:
        arn = resource_of(action)
        assert includes(parts.get(action, []), arn) == by_emulator(identity, None, resource, action, arn), action


@pytest.mark.parametrize("name", ["s3", "kms", "iam", "backup"])
def test_a_pattern_of_a_service_covers_its_table(name: str) -> None:
    assert len(actions(name)) > 20


def test_a_caller_has_the_keys_of_its_requests() -> None:
    assert caller(ARN, View({"hospital": "north"})).context["aws:principaltag/hospital"] == "north"


@pytest.mark.parametrize(
    ("tags", "outcome"),
    [
        (View({"hospital": "north"}), Outcome.NOT_MET),
        (View({"administers": "database"}), Outcome.MET),
        (View(None), Outcome.NOT_MET),
        (View({"hospital": UNKNOWN}), Outcome.DEPENDS),
        (View(UNKNOWN), Outcome.DEPENDS),
        (None, Outcome.DEPENDS),
    ],
)
def test_a_tag_is_absent_where_all_tags_are_known(tags: View | None, outcome: Outcome) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/administers": "database"}}
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    [one] = statements(View({"Statement": statement}))
    assert evaluate(one, caller(ARN, tags).context) is outcome


@pytest.mark.parametrize("requested", kinds()["aws:kms/key:Key"].requests)
def test_every_use_of_a_key_has_a_request_of_its_own(requested: RequestKind) -> None:
    uses = {one for one in actions("kms").values() if one.verb in (Verb.WRITE, Verb.DECRYPT, Verb.SIGN)}
    of_its_own = requested.among(actions("kms").values())
    assert {one.name for one in of_its_own} == {one.name for one in uses}
    assert {one.verb for one in of_its_own} == {Verb.USE_DIRECTLY}
