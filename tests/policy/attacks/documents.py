"""Changes of IAM policy documents: every element of a statement widened, and statements added and removed."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session

from tests.policy.attacks.stacks import ACCOUNT, STRANGER, crossed

Change = tuple[str, str]
Statement = dict[str, Any]
_CHANGES = (
    *(
        "Put",
        "Delete",
        "Create",
        "Update",
        "Attach",
        "Detach",
        "Add",
        "Remove",
        "Set",
        "Enable",
        "Disable",
        "Start",
        "Stop",
    ),
    *(
        "Schedule",
        "Assume",
        "Restore",
        "Copy",
        "Modify",
        "Reset",
        "Import",
        "Upload",
        "Register",
        "Deregister",
        "Change",
    ),
    *(
        "Generate",
        "Encrypt",
        "Decrypt",
        "ReEncrypt",
        "Sign",
        "Replicate",
        "Retire",
        "Revoke",
        "Send",
        "Publish",
        "Purge",
    ),
    *(
        "Initiate",
        "Complete",
        "Cancel",
        "Failover",
        "Reboot",
        "Receive",
        "Associate",
        "Disassociate",
        "Subscribe",
        "Unsubscribe",
    ),
)
# Reads of what is secret, beside which reads of a configuration are nothing.
_READS = frozenset(
    {
        *("s3:GetObject", "s3:GetObjectTorrent", "s3:GetObjectAttributes", "s3:SelectObjectContent"),
        *(
            "secretsmanager:GetSecretValue",
            "secretsmanager:BatchGetSecretValue",
            "ssm:GetParameter",
            "ssm:GetParameters",
        ),
        *(
            "logs:GetLogEvents",
            "logs:FilterLogEvents",
            "logs:GetQueryResults",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        *(
            "rds:DownloadDBLogFilePortion",
            "ebs:GetSnapshotBlock",
            "cloudtrail:GetQueryResults",
            "athena:GetQueryResults",
        ),
    }
)
SERVICES = (
    "s3",
    "kms",
    "iam",
    "sts",
    "cloudtrail",
    "logs",
    "backup",
    "secretsmanager",
    "rds",
    "ecr",
    "eks",
    "ssm",
    "sqs",
    "sns",
)
_NEVER = {"StringEquals": {"aws:RequestedRegion": "eu-north-1"}}


@cache
def dangerous_actions(service: str) -> tuple[str, ...]:
    """Return the actions of a service that change something, or that read what is secret."""
    model = botocore.session.get_session().get_service_model(service)
    named = (f"{service}:{operation}" for operation in model.operation_names)
    return tuple(a for a in named if a.partition(":")[2].startswith(_CHANGES) or a in _READS)


def strangers(first: str = "") -> dict[str, Any]:
    """Return principals that no statement should name, with what each is."""
    return {
        "everybody": "*",
        "everybody as AWS": {"AWS": "*"},
        "everybody in a list": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root", "*"]},
        "another account": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
        "another account's number": {"AWS": STRANGER},
        "a role of another account": {"AWS": f"arn:aws:iam::{STRANGER}:role/stranger"},
        "a user": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/somebody"},
        "another service": {"Service": "ec2.amazonaws.com"},
        "a federation": {"Federated": "cognito-identity.amazonaws.com"},
    }


def parsed(text: Any) -> list[Statement]:
    """Return the statements of a document; none where it is no document."""
    try:
        written = json.loads(text)
    except (TypeError, ValueError):
        return []
    found = written.get("Statement", []) if isinstance(written, dict) else []
    return copy.deepcopy(found if isinstance(found, list) else [found])


def text(statements: list[Statement]) -> str:
    """Return a document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def widened(document: Any) -> Iterator[Change]:
    """Return the changes of each statement of a document."""
    base = parsed(document)
    for position, statement in enumerate(base):
        granting = statement.get("Effect") == "Allow"
        changes = _allow(statement) if granting else _deny(statement)
        for operation, changed in changes:
            statements = [*base[:position], *([changed] if changed else []), *base[position + 1 :]]
            yield operation, text(statements)


def _allow(statement: Statement) -> Iterator[tuple[str, Statement | None]]:
    yield from _actions(statement)
    if "Resource" in statement:
        yield from _resources(statement)
    if "Principal" in statement:
        for told, principal in strangers().items():
            yield f"Allow: principal becomes {told}", {**statement, "Principal": principal}
        yield (
            "Allow: NotPrincipal",
            {**_without(statement, "Principal"), "NotPrincipal": {"AWS": f"arn:aws:iam::{STRANGER}:root"}},
        )
    yield from _conditions(statement)
    other = crossed(statement)
    if other != statement:
        yield "Allow: the other hospital's names", other


def _actions(statement: Statement) -> Iterator[tuple[str, Statement]]:
    for key in ("Action", "NotAction"):
        if key not in statement:
            continue
        plain = _without(statement, key)
        services = sorted({str(action).partition(":")[0] for action in _listed(statement[key])})
        yield "Allow: Action becomes *", {**plain, "Action": "*"}
        yield "Allow: Action becomes a list with *", {**plain, "Action": [*_listed(statement[key]), "*"]}
        for service in services:
            yield f"Allow: Action becomes {service}:*", {**plain, "Action": f"{service}:*"}
            yield f"Allow: Action becomes {service}:?*", {**plain, "Action": f"{service.upper()}:?*"}
        yield "Allow: NotAction of something else", {**plain, "NotAction": "iam:GetUser"}


def _resources(statement: Statement) -> Iterator[tuple[str, Statement]]:
    plain = _without(statement, "Resource")
    resources = _listed(statement["Resource"])
    if resources != ["*"]:
        yield "Allow: Resource becomes *", {**plain, "Resource": "*"}
        yield "Allow: Resource becomes a list with *", {**plain, "Resource": [*resources, "*"]}
        yield "Allow: Resource becomes all of its service", {**plain, "Resource": [_all_of(r) for r in resources]}
        yield "Allow: NotResource of something else", {**plain, "NotResource": "arn:aws:s3:::elsewhere"}
        yield (
            "Allow: Resource with single wildcards",
            {**plain, "Resource": [str(r).replace("north", "?????").replace("south", "?????") for r in resources]},
        )


def _all_of(arn: str) -> str:
    parts = str(arn).split(":")
    return ":".join([*parts[:5], "*"]) if len(parts) > 5 else arn


def _conditions(statement: Statement) -> Iterator[tuple[str, Statement]]:
    condition = statement.get("Condition")
    if not condition:
        return
    yield "Allow: without Condition", _without(statement, "Condition")
    for operator, tests in condition.items():
        others = _without(condition, operator)
        loose = f"{operator}IfExists" if not operator.endswith("IfExists") else operator
        yield f"Allow: {operator} becomes IfExists", {**statement, "Condition": {**others, loose: tests}}
        yield (
            f"Allow: ForAllValues:{operator}",
            {**statement, "Condition": {**others, f"ForAllValues:{operator}": tests}},
        )
        for key, values in tests.items():
            fewer = _without(tests, key)
            rest = {**others, operator: fewer} if fewer else others
            plain = {**_without(statement, "Condition"), **({"Condition": rest} if rest else {})}
            yield f"Allow: without {operator} {key}", plain
            yield f"Allow: {key} like *", {**statement, "Condition": {**rest, "StringLike": {key: "*"}}}
            yield (
                f"Allow: {key} is not something else",
                {**statement, "Condition": {**rest, "StringNotEquals": {key: "nothing"}}},
            )
            yield (
                f"Allow: {key} with * beside",
                {**statement, "Condition": {**rest, "StringLike": {key: [*map(str, _listed(values)), "*"]}}},
            )


def _deny(statement: Statement) -> Iterator[tuple[str, Statement | None]]:
    yield "Deny: removed", None
    yield "Deny: becomes Allow", {**statement, "Effect": "Allow"}
    yield (
        "Deny: only with a condition that is never met",
        {**statement, "Condition": {**statement.get("Condition", {}), **_NEVER}},
    )
    yield "Deny: of one harmless action", {**_without(statement, "NotAction"), "Action": "s3:GetBucketTagging"}
    yield "Deny: of all but *", {**_without(statement, "Action"), "NotAction": "*"}
    if "Principal" in statement:
        yield "Deny: of one principal", {**statement, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}}
        yield "Deny: of all but everybody", {**_without(statement, "Principal"), "NotPrincipal": "*"}
    if "Resource" in statement:
        yield "Deny: of another resource", {**statement, "Resource": "arn:aws:s3:::elsewhere/*"}
        yield "Deny: of all but *", {**_without(statement, "Resource"), "NotResource": "*"}
    for operator, tests in statement.get("Condition", {}).items():
        others = _without(statement["Condition"], operator)
        for key, values in tests.items():
            rest = {**others, operator: _without(tests, key)}
            yield (
                f"Deny: {key} spares everybody",
                {**statement, "Condition": {**rest, **_sparing(operator, key, values)}},
            )
            if "Not" in operator:
                more = [*_listed(values), f"arn:aws:iam::{STRANGER}:role/stranger", STRANGER]
                yield (
                    f"Deny: {key} spares a stranger",
                    {**statement, "Condition": {**others, operator: {**tests, key: more}}},
                )


def _sparing(operator: str, key: str, values: Any) -> dict[str, Any]:
    """Return a test that is never true, so that the statement denies nothing."""
    if "Not" in operator:
        return {"StringNotLike": {key: "*"}}
    if operator == "Bool":
        return {"Bool": {key: "true" if str(_listed(values)[0]).lower() == "false" else "false"}}
    if operator.startswith("Numeric"):
        return {operator: {key: "0"}}
    return {operator: {key: "nothing"}}


def _without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
