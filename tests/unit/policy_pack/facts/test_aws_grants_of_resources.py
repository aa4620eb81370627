"""Policies of buckets and keys, widened statement by statement."""

from typing import Any

import pytest

from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.facts.verbs import Verb
from policy_pack.settings import load
from policy_pack.stack.graph import Graph
from tests.policy.aws_documents import (
    ACCOUNT,
    BUCKET_POLICY,
    KEY,
    OTHER,
    PLANNER,
    RAW,
    ROLE,
    ROLE_POLICY,
    SOMEONE,
    Change,
    adding,
    beyond_table,
    decrypting,
    first,
    of_sid,
    opened,
    with_change,
    without,
)
from tests.policy.builders import PREFIX


def test_reading_another_hospital_s_data_is_refused_with_its_path() -> None:
    named = opened(without("NamedOnly"), adding(Principal={"AWS": PLANNER}, Action="s3:GetObject", Resource=f"{RAW}/*"))
    resources = with_change(BUCKET_POLICY, "north-raw", "policy", named)
    changed = {one.urn: one for one in with_change(KEY, "north-raw", "policy", decrypting({"AWS": PLANNER}))}
    both = [changed[one.urn] if one.kind == KEY and one.name == "north-raw" else one for one in resources]
    messages = [one.message for one in beyond_table(both) if "south-serving/planner" in one.message]
    start = (
        "ServiceAccount south-serving/planner -> role south-planner (trust policy, statement 1) -> policy of north-raw"
    )
    sentence = "-> bucket north-raw: s3:GetObject; access.yaml does not let planning use raw"
    assert any(message.startswith(start) and sentence in message for message in messages), messages


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
    assert beyond_table(with_change(BUCKET_POLICY, "north-raw", "policy", change))


KEYS = [
    first(Action="kms:*"),
    first(Action="kms:Decrypt"),
    decrypting({"AWS": "*"}),
    decrypting({"AWS": "*"}, Condition={"StringLike": {"kms:ViaService": "*"}}),
    decrypting({"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": "true"}}),
    decrypting({"AWS": PLANNER}),
    decrypting({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/hmlops-dev-south-planner/x"}),
    decrypting({"AWS": OTHER}),
    decrypting({"Service": "lambda.amazonaws.com"}),
    adding(NotPrincipal={"AWS": PLANNER}, Action="kms:ReEncryptFrom", Resource="*"),
    adding(Principal={"AWS": PLANNER}, Action="kms:CreateGrant", Resource="*"),
    adding(Principal={"AWS": PLANNER}, NotAction="kms:Describe*", Resource="*"),
]


@pytest.mark.parametrize("change", KEYS)
def test_a_wider_key_policy_is_refused(change: Change) -> None:
    assert beyond_table(with_change(KEY, "north-raw", "policy", change))


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
    texts = [one.message for one in beyond_table(with_change(kind, name, "policy", change))]
    assert any(words in text for text in texts) if words else texts == []


def test_the_policy_of_a_key_limits_what_a_role_s_own_policy_does_not() -> None:
    def unconditional(written: dict[str, Any]) -> None:
        for statement in written["Statement"]:
            statement.pop("Condition", None)

    refused = beyond_table(with_change(ROLE_POLICY, "north-care", "policy", unconditional))
    assert not [one for one in refused if "kms:" in one.message]


def test_a_session_whose_tags_others_choose_may_use_what_a_tag_opens() -> None:
    tagging = adding(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sts:TagSession")
    messages = [one.message for one in beyond_table(with_change(ROLE, "north-care", "assumeRolePolicy", tagging))]
    assert any("key backup: kms:Decrypt" in one for one in messages)


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
