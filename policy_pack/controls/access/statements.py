"""Statements of AWS policies: weak conditions, other accounts, services without a source, and what must be denied."""

from policy_pack.controls.rules import join_check
from policy_pack.facts.iam.callers import own_account
from policy_pack.facts.iam.documents import Statement, statements
from policy_pack.facts.iam.policies import documents
from policy_pack.facts.iam.weaknesses import (
    changes_everywhere,
    foreign_resources,
    services_without_source,
    strangers,
    weak_conditions,
)
from policy_pack.stack.checks import Findings, StackContext, guarded, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import BUCKET_POLICY, IAM_POLICIES, KEY, ROLE
from policy_pack.stack.values import View

_RESOURCE_POLICIES = (
    BUCKET_POLICY,
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
    "aws:backup/vaultPolicy:VaultPolicy",
    "aws:msk/clusterPolicy:ClusterPolicy",
)
_NAMING = (
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:SourceArn",
    "aws:SourceAccount",
    "aws:SourceVpce",
    "aws:SourceVpc",
)
_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


@join_check("AC-01", *IAM_POLICIES, ROLE)
def identity_policies_are_limited(resource: Resource, context: StackContext) -> Findings:
    """Refuse changes of every resource, resources of other accounts, and conditions that are always met."""
    account = own_account(context.graph)
    for document in documents(resource):
        yield from guarded(_of_identity(document, account), document.path)


def _of_identity(document: View, account: str) -> Findings:
    for statement in statements(document):
        for text in weak_conditions(statement):
            yield violation(text, document.path)
        changes = ", ".join(changes_everywhere(statement))
        if changes:
            yield violation(f"allows {changes} on every resource; name the ARNs", document.path)
        for other in foreign_resources(statement, account) if account else ():
            yield violation(f"allows actions on resources of account {other}", document.path)


@join_check("AC-03", ROLE)
def trust_policies_are_limited(role: Resource, context: StackContext) -> Findings:
    """Refuse trust in other accounts, in services for any account, and conditions that are always met."""
    yield from _of_resource(role.at("assumeRolePolicy"), context)


@join_check("AC-08", *_RESOURCE_POLICIES)
def resource_policies_are_limited(policy: Resource, context: StackContext) -> Findings:
    """Refuse policies that let in other accounts or services for any account, or whose conditions are always met."""
    document = policy.at("policy")
    yield from _of_resource(document, context)
    for statement in statements(document):
        if policy.kind != BUCKET_POLICY and statement.allows and _is_public(statement):
            yield violation("allows every principal; name the principals", document.path)


def _is_public(statement: Statement) -> bool:
    return statement.any_principal and not any(statement.conditions_on(key) for key in _NAMING)


@join_check("AC-09", KEY)
def key_policies_are_limited(key: Resource, context: StackContext) -> Findings:
    """Refuse key policies that let in other accounts or services for any account, or with conditions always met."""
    yield from _of_resource(key.at("policy"), context)


def _of_resource(document: View, context: StackContext) -> Findings:
    account = own_account(context.graph)
    for statement in statements(document):
        for text in weak_conditions(statement):
            yield violation(text, document.path)
        for name in services_without_source(statement):
            yield violation(f"allows {name} to act for any account; compare aws:SourceAccount", document.path)
        yield from _strangers(statement, account, document.path)


def _strangers(statement: Statement, account: str, path: str) -> Findings:
    for other in strangers(statement, account) if account else ():
        yield violation(f"lets in account {other}, which is not the stack's own", path)


@join_check("SEG-09", _ENDPOINT)
def endpoint_policies_are_limited(endpoint: Resource, context: StackContext) -> Findings:
    """Require that an endpoint admits principals of the own account, or reaches named resources only."""
    document = endpoint.at("policy")
    account = own_account(context.graph)
    for statement in statements(document):
        for text in weak_conditions(statement):
            yield violation(text, document.path)
        yield from _strangers(statement, account, document.path)
        if _reaches_every_account(statement):
            yield violation("reaches resources of every account; compare aws:ResourceAccount", document.path)
        if statement.allows and not _is_own(statement):
            yield violation(
                "its endpoint policy admits principals of other accounts; compare aws:PrincipalAccount", document.path
            )


def _is_own(statement: Statement) -> bool:
    """Return whether an Allow of an endpoint names principals, compares their account, or names its resources."""
    named = not statement.negated and all(kind == "AWS" and value != "*" for kind, value in statement.principals)
    compared = any(
        operator in ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
        for key in ("aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID")
        for operator, _ in statement.conditions_on(key)
    )
    limited = not statement.negated and not any(
        resource.split(":", 5)[-1].startswith("*") for resource in statement.resources
    )
    return named or compared or (limited and not any("*" in action for action in statement.actions))


def _reaches_every_account(statement: Statement) -> bool:
    """Return whether an Allow lets data out to resources of other accounts; EC2 has images of others, and no data."""
    if statement.conditions_on("aws:ResourceAccount") or statement.conditions_on("aws:ResourceOrgID"):
        return False
    return any(not action.lower().startswith("ec2:") for action in changes_everywhere(statement))
