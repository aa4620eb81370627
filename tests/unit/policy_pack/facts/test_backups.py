"""Which stores a backup selection covers."""

from typing import Any

import pytest

from policy_pack.facts.backups import SELECTION, selects
from tests.policy.builders import build

ARN = "arn:aws:s3:::north-raw"
STORE = build(
    "aws:s3/bucket:Bucket", "raw", {"bucket": "north-raw", "arn": ARN, "tags": {"backup": "daily", "class": "raw"}}
)
TAGGED = {"selectionTags": [{"type": "STRINGEQUALS", "key": "backup", "value": "daily"}]}


def condition(operator: str, value: str, key: str = "aws:ResourceTag/class") -> dict[str, Any]:
    return {"conditions": [{operator: [{"key": key, "value": value}]}]}


@pytest.mark.parametrize(
    ("props", "covered"),
    [
        ({}, False),
        ({"resources": [ARN]}, True),
        ({"resources": ["arn:aws:s3:::*"]}, True),
        ({"resources": ["arn:aws:s3:::south-*"]}, False),
        ({"resources": ["*"], "notResources": [ARN]}, False),
        ({"resources": ["*"], "notResources": ["arn:aws:s3:::south-*"]}, True),
        (TAGGED, True),
        (TAGGED | {"resources": ["arn:aws:s3:::south-*"]}, False),
        (TAGGED | {"notResources": ["arn:aws:s3:::*"]}, False),
        ({"selectionTags": [{"type": "STRINGLIKE", "key": "backup", "value": "daily"}]}, False),
        ({"selectionTags": [{"type": "STRINGEQUALS", "key": "backup", "value": "weekly"}]}, False),
        (condition("stringEquals", "raw"), True),
        (condition("stringEquals", "curated"), False),
        (condition("stringLikes", "r*"), True),
        (condition("stringNotLikes", "r*"), False),
        (condition("stringNotEquals", "raw"), False),
        (condition("stringNotEquals", "curated"), True),
        (condition("stringEquals", "raw", "class"), False),
        (TAGGED | condition("stringEquals", "curated"), False),
        (TAGGED | condition("stringEquals", "raw"), True),
    ],
)
def test_a_selection_covers_what_aws_backup_selects(props: dict[str, Any], covered: bool) -> None:
    assert selects(build(SELECTION, "x", props), STORE) is covered
