"""The AWS account, asked for keys and buckets of a former hospital."""

from typing import Any

import boto3
import botocore.exceptions

from policy_pack.errors import PackError
from policy_pack.evidence.destruction import Disposition
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import KEY
from policy_pack.stack.text import known_text

_NOT_FOUND = {"404", "NoSuchBucket", "NotFoundException"}
_new_client: Any = boto3.client


def check(resource: Resource, disposition: Disposition) -> tuple[str, str]:
    """Return the detail and the problem of a key or bucket.

    Raises
    ------
    PackError
        When the account cannot be asked.
    """
    arn_region = known_text(resource.at("arn")).split(":")[3:4]
    region = known_text(resource.at("region")) or "".join(arn_region)
    try:
        return _key(resource, disposition, region) if resource.kind == KEY else _bucket(resource, disposition)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _NOT_FOUND:
            expected = disposition is not Disposition.RETAINED
            return ("not in the account", "") if expected else ("", "does not exist, but must be retained")
        raise PackError(f"AWS refuses to describe {resource.name} ({code}); check the permissions.") from None
    except botocore.exceptions.BotoCoreError as error:
        raise PackError(
            f"The AWS account cannot be reached ({type(error).__name__}); set credentials and region."
        ) from None


def _key(resource: Resource, disposition: Disposition, region: str) -> tuple[str, str]:
    client = _new_client("kms", region_name=region or None)
    metadata = client.describe_key(KeyId=known_text(resource.at("arn")))["KeyMetadata"]
    retained = disposition is Disposition.RETAINED
    if metadata["KeyState"] == "PendingDeletion":
        day = metadata["DeletionDate"].date().isoformat()
        return f"deletion on {day}", "is pending deletion, but must be retained" if retained else ""
    return str(metadata["KeyState"]).lower(), "" if retained else "is not scheduled for deletion"


def _bucket(resource: Resource, disposition: Disposition) -> tuple[str, str]:
    _new_client("s3").head_bucket(Bucket=known_text(resource.at("bucket")))
    return "in the account", "" if disposition is Disposition.RETAINED else "still exists"
