"""Policies of AWS, widened: those of identities, of resources and of keys, and trust policies."""

import json
from collections.abc import Iterator
from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.attacks import documents
from tests.policy.attacks.mutation import GONE, Family, Mutation, Target
from tests.policy.attacks.properties import of_kinds
from tests.policy.attacks.stacks import ACCOUNT, FIRST, SECOND, crossed

FAMILY = "access"
ROLE = "aws:iam/role:Role"
_INLINE = "aws:iam/rolePolicy:RolePolicy"
# The service whose actions the policy of a kind grants, where the policy belongs to a resource.
_RESOURCES = {
    "aws:s3/bucketPolicy:BucketPolicy": "s3",
    "aws:kms/key:Key": "kms",
    "aws:sqs/queuePolicy:QueuePolicy": "sqs",
    "aws:sns/topicPolicy:TopicPolicy": "sns",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "ecr",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "s3",
}
_MOST = 6


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    for kind in (ROLE, _INLINE, *_RESOURCES):
        name = "assumeRolePolicy" if kind == ROLE else "policy"
        for resource in _representatives(target.of(kind)):
            yield from _documents(family, resource, name)
            if kind in _RESOURCES:
                yield from _strangers(family, resource, _RESOURCES[kind])
    yield from _actions(family)
    yield from _exchanged(family)
    for role in _representatives(target.of(ROLE)):
        yield from _trusts(family, role)
    yield from of_kinds(FAMILY, target, lambda kind: kind in (ROLE, _INLINE), most=1)


def _representatives(found: list[Resource]) -> list[Resource]:
    """Return one resource for each last word of a name, such as `raw` of `north-raw`; none of the second hospital."""
    by_word = {one.name.rpartition("-")[2]: one for one in reversed(found) if not one.name.startswith(SECOND)}
    return sorted(by_word.values(), key=lambda one: (not one.name.startswith(FIRST), one.urn))[:_MOST]


def _documents(family: Family, resource: Resource, name: str) -> Iterator[Mutation]:
    for operation, document in documents.widened(resource.props.get(name)):
        yield from family.put(resource, operation, ((name,), document))
    yield from family.put(resource, f"remove {name}", ((name,), GONE))
    yield family.drop(resource)


def _strangers(family: Family, resource: Resource, service: str) -> Iterator[Mutation]:
    """Return a resource's policy with a statement for each stranger, and for each action."""
    base = documents.parsed(resource.props.get("policy"))
    given = {"Resource": base[0]["Resource"]} if base and "Resource" in base[0] else {}
    other = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/hmlops-{family.target.name}-{SECOND}-trainer"}
    account = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    more: dict[str, Any] = {**documents.strangers(), "the other hospital's role": other, "the account": account}
    for told, principal in more.items():
        statement = {"Effect": "Allow", "Principal": principal, "Action": f"{service}:*", **given}
        document = documents.text([*base, statement])
        yield from family.put(resource, f"add Allow {service}:* to {told}", (("policy",), document))
    if resource.name in (f"{FIRST}-curated", f"{FIRST}-raw"):
        for action in documents.dangerous_actions(service):
            statement = {"Effect": "Allow", "Principal": other, "Action": action, **given}
            document = documents.text([*base, statement])
            yield from family.put(resource, f"add Allow {action} to the other hospital", (("policy",), document))


def _own_policies(target: Target) -> list[Resource]:
    return [policy for policy in target.of(_INLINE) if policy.name.startswith(f"{FIRST}-")]


def _actions(family: Family) -> Iterator[Mutation]:
    """Return a workload's role with each dangerous action of botocore's models."""
    for resource in _own_policies(family.target)[-1:]:
        base = documents.parsed(resource.props["policy"])
        for service in documents.SERVICES:
            for action in documents.dangerous_actions(service):
                statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
                document = documents.text([*base, statement])
                yield from family.put(resource, f"add Allow {action} on *", (("policy",), document))


def _exchanged(family: Family) -> Iterator[Mutation]:
    """Return the policies of workloads with each other's grants."""
    own = _own_policies(family.target)
    for resource in own:
        base = documents.parsed(resource.props["policy"])
        other_hospital = documents.parsed(crossed(resource.props["policy"]))
        document = documents.text([*base, *other_hospital])
        yield from family.put(resource, "add the grants of the other hospital's role", (("policy",), document))
        role = crossed(resource.props["role"])
        yield from family.put(resource, "give the policy to the other hospital's role", (("role",), role))
        for other in (other for other in own if other is not resource):
            document = documents.text([*base, *documents.parsed(other.props["policy"])])
            word = other.name.removeprefix(f"{FIRST}-")
            yield from family.put(resource, f"add the grants of {word}", (("policy",), document))


def _trusts(family: Family, role: Resource) -> Iterator[Mutation]:
    base = documents.parsed(role.props.get("assumeRolePolicy"))
    for told, principal in documents.strangers().items():
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        document = documents.text([*base, statement])
        yield from family.put(role, f"trust {told} too", (("assumeRolePolicy",), document))
    for told, key, value in (
        ("of an organization", "aws:PrincipalOrgID", "o-stranger"),
        ("who names the account as a source", "aws:SourceAccount", ACCOUNT),
        ("who has an external id", "sts:ExternalId", "1"),
    ):
        condition = {"StringEquals": {key: value}}
        statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}
        document = documents.text([*base, statement])
        yield from family.put(role, f"trust everybody {told}", (("assumeRolePolicy",), document))
    for trusted in base:
        if "Federated" in trusted.get("Principal", {}):
            yield from _subjects(family, role, base, trusted)


def _subjects(family: Family, role: Resource, base: list[Any], trusted: dict[str, Any]) -> Iterator[Mutation]:
    """Return a trust in a web identity with other subjects."""
    held = json.dumps(trusted)
    tests = [item for test in trusted.get("Condition", {}).values() for item in test.items()]
    for subject in [value for key, value in tests if key.endswith(":sub") and isinstance(value, str)]:
        namespace, account = subject.split(":")[-2:]
        for told, other in (
            ("anything", "*"),
            ("any account", "system:serviceaccount:*"),
            ("any account of the namespace", f"system:serviceaccount:{namespace}:*"),
            ("the account in any namespace", f"system:serviceaccount:*:{account}"),
            ("the default account", f"system:serviceaccount:{namespace}:default"),
            ("the other hospital's account", crossed(subject)),
            ("a longer name", f"{subject}*"),
        ):
            for how, value in (("becomes", other), ("may also be", [subject, other])):
                text = held.replace(json.dumps(subject), json.dumps(value)).replace("StringEquals", "StringLike")
                document = documents.text([json.loads(text) if one is trusted else one for one in base])
                yield from family.put(role, f"sub {how} {told}", (("assumeRolePolicy",), document))
