"""Grants of AWS: bucket policies."""

from collections.abc import Iterator

from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import ANONYMOUS, EVERYTHING, Data, Grant, Subject, Verb
from policy_pack.facts.iam.documents import statements
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_POLICY
from policy_pack.stack.values import NotKnownError


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what bucket policies grant to everyone."""
    for policy in context.graph.of(BUCKET_POLICY):
        bucket = context.graph.target(policy, "bucket", (BUCKET,), BUCKET_KEYS)
        name = bucket.name if bucket else policy.name
        try:
            document = statements(policy.at("policy"))
        except NotKnownError:
            path = (ANONYMOUS, f"bucket policy {policy.name}")
            yield Grant(Subject(ANONYMOUS), Data(EVERYTHING), None, path, policy.urn, certain=False)
            continue
        for position, statement in enumerate(document, start=1):
            if statement.allows and statement.any_principal and not statement.conditions:
                for part in context.parts("bucket", name):
                    path = (ANONYMOUS, f"{name}: allowed by the bucket's statement {position}")
                    yield Grant(Subject(ANONYMOUS), part.data, Verb.READ, path, policy.urn)
