"""Keys by which data is encrypted: of the stack's account, so that nobody else decides about its data."""

import re

from policy_pack.controls.rules import join_check
from policy_pack.facts.data_stores import kinds
from policy_pack.facts.iam.callers import own_account
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import (
    BUCKET_REPLICATION,
    BUCKET_SSE,
    EBS_VOLUME,
    EKS,
    LAUNCH_TEMPLATE,
    RDS_CLUSTER_INSTANCE,
)

_ENCRYPTED = dict.fromkeys(
    (
        *kinds(),
        BUCKET_SSE,
        BUCKET_REPLICATION,
        EBS_VOLUME,
        EKS,
        LAUNCH_TEMPLATE,
        RDS_CLUSTER_INSTANCE,
        "aws:ebs/defaultKmsKey:DefaultKmsKey",
    )
)
_KEY_ARN = re.compile(r"arn:aws[\w-]*:kms:[^:]*:(\d{12}):\S+")


@join_check("ENC-02", *_ENCRYPTED)
def data_has_keys_of_the_account(resource: Resource, context: StackContext) -> Findings:
    """Refuse data that a key of another account encrypts, which can take the data away."""
    own = own_account(context.graph)
    for path, value in resource.leaves:
        match = _KEY_ARN.fullmatch(value) if isinstance(value, str) else None
        if match and own and match[1] != own:
            yield violation("is encrypted with a key of another account", path)
