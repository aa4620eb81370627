"""Changes of policy documents in the recorded development stack, and the grants beyond the table that they make."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from policy_pack.facts.grants.comparison import Beyond, beyond
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.settings import load
from policy_pack.stack.graph import Graph, Resource
from tests.policy import recorded
from tests.policy.builders import listed

ACCOUNT, OTHER = "123456789012", "210987654321"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
BUCKET_POLICY, KEY = "aws:s3/bucketPolicy:BucketPolicy", "aws:kms/key:Key"
RAW = "arn:aws:s3:::hmlops-dev-north-raw"
RAW_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/north-raw"
PLANNER = f"arn:aws:iam::{ACCOUNT}:role/hmlops-dev-south-planner"
SOMEONE = f"arn:aws:iam::{ACCOUNT}:user/someone"
Change = Callable[[dict[str, Any]], None]
STACK = recorded.unchanged("dev").graph()


def beyond_table(resources: list[Resource]) -> list[Beyond]:
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


def decrypting(principal: Any, **parts: Any) -> Change:
    return adding(Principal=principal, Action="kms:Decrypt", Resource="*", **parts)


def of_sid(sid: str, change: Change) -> Change:
    def apply(written: dict[str, Any]) -> None:
        for one in written["Statement"]:
            if one.get("Sid") == sid:
                change(one)

    return apply
