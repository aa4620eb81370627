"""The account itself, asked about keys and buckets that a hospital had."""

from typing import Any

import boto3
import botocore.exceptions

from policy_pack.errors import PackError
from policy_pack.evidence.destruction import Fate
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import KEY
from policy_pack.stack.text import word

_NONE = {"404", "NoSuchBucket", "NotFoundException"}
_new_client: Any = boto3.client


def ask(resource: Resource, fate: Fate) -> tuple[str, str]:
    """Return what the account tells of a key or bucket, and what of it is wrong.

    Raises
    ------
    PackError
        When the account cannot be asked.
    """
    region = word(resource.at("region")) or word(resource.at("arn")).split(":")[3:4]
    where = region if isinstance(region, str) else (region[0] if region else "")
    try:
        return _key(resource, fate, where) if resource.kind == KEY else _bucket(resource, fate)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _NONE:
            return ("", "is gone, and was to be kept") if fate is Fate.KEPT else ("not in the account", "")
        raise PackError(
            f"The account refuses to tell of {resource.name} ({error.response['Error']['Code']})."
        ) from None
    except botocore.exceptions.BotoCoreError as error:
        raise PackError(f"The account cannot be asked ({type(error).__name__}); set credentials and region.") from None


def _key(resource: Resource, fate: Fate, region: str) -> tuple[str, str]:
    found = _new_client("kms", region_name=region or None).describe_key(KeyId=word(resource.at("arn")))["KeyMetadata"]
    if found["KeyState"] == "PendingDeletion":
        day = found["DeletionDate"].date().isoformat()
        return f"gone for good on {day}", "is to be deleted, and was to be kept" if fate is Fate.KEPT else ""
    return str(found["KeyState"]).lower(), "" if fate is Fate.KEPT else "is not to be deleted"


def _bucket(resource: Resource, fate: Fate) -> tuple[str, str]:
    _new_client("s3").head_bucket(Bucket=word(resource.at("bucket")))
    return "in the account", "" if fate is Fate.KEPT else "is still there"
