"""Rows of the aws plugin for Secrets Manager secrets, without their values."""

from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_SECRET: Final = {"SecretId": "{id}"}


def _at_once(arguments: dict[str, Any]) -> dict[str, Any]:
    """Replace a recovery window of 0 days by the API's flag for deletion without recovery."""
    if arguments.get("RecoveryWindowInDays") == 0:
        return {"SecretId": arguments["SecretId"], "ForceDeleteWithoutRecovery": True}
    return arguments


SECRET: Final = ApiType(
    "aws:secretsmanager/secret:Secret",
    "secretsmanager",
    Call("CreateSecret", names={"replicas": "AddReplicaRegions"}),
    Call("DescribeSecret", fixed=_SECRET),
    "[@][?!DeletedDate] | [0]",
    "ARN",
    changes=(
        Call("UpdateSecret", frozenset({"description", "kmsKeyId"}), fixed=_SECRET),
        Call("PutResourcePolicy", frozenset({"policy"}), names={"policy": "ResourcePolicy"}, fixed=_SECRET),
    ),
    deletes=(
        Call("DeleteSecret", fixed={**_SECRET, "RecoveryWindowInDays": "{recoveryWindowInDays}"}, finish=_at_once),
    ),
    reads={
        "forceOverwriteReplicaSecret": "",
        "policy": "Policy.ResourcePolicy",
        "recoveryWindowInDays": "",
        "replicas": "ReplicationStatus",
    },
    outputs={"arn": "ARN"},
    more={"Policy": Call("GetResourcePolicy", fixed=_SECRET)},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_SECRET),
        Call("UntagResource", frozenset(), fixed=_SECRET),
    ),
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        SECRET,
        autoname="name",
        autoname_length=512,
        json=frozenset({"policy"}),
        defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
        unsupported={"namePrefix": "give it a name"},
    ),
)
