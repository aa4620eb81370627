"""Rows of the aws plugin for S3 buckets and their settings."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud, found, given, mapping, pairs
from local.plugins.provider.common import PluginError, Props
from local.plugins.provider.rows import Row

_HOSTED_ZONES: Final = {"us-east-1": "Z3AQBSTGFYJSTF", "us-east-2": "Z2O1EMRO9K5GLX", "us-west-2": "Z3BJ6K6RIION7M"}


def _create_bucket(cloud: Cloud, inputs: Props) -> str:
    name = str(inputs["bucket"])
    place = {"LocationConstraint": cloud.region} if cloud.region != "us-east-1" else None
    lock = inputs.get("objectLockEnabled") or None
    cloud.s3.create_bucket(Bucket=name, **given(CreateBucketConfiguration=place, ObjectLockEnabledForBucket=lock))
    _tag_bucket(cloud, name, cloud.all_tags(inputs))
    return name


def _tag_bucket(cloud: Cloud, name: str, tags: Mapping[str, str]) -> None:
    if tags:
        cloud.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(tags)})


def _read_bucket(cloud: Cloud, name: str, inputs: Props) -> Props | None:
    if found(cloud.s3.head_bucket, Bucket=name) is None:
        return None
    tags = mapping((found(cloud.s3.get_bucket_tagging, Bucket=name) or {}).get("TagSet"))
    return {
        "arn": f"arn:{cloud.partition}:s3:::{name}",
        "bucket": name,
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegion": cloud.region,
        "bucketRegionalDomainName": f"{name}.s3.{cloud.region}.amazonaws.com",
        "forceDestroy": inputs.get("forceDestroy", False),
        "hostedZoneId": _HOSTED_ZONES.get(cloud.region, ""),
        "objectLockEnabled": inputs.get("objectLockEnabled", False),
        "region": cloud.region,
        "requestPayer": "BucketOwner",
        **cloud.show_tags(tags, inputs),
    }


def _update_bucket(cloud: Cloud, name: str, old: Props, new: Props) -> None:
    if cloud.all_tags(old) == cloud.all_tags(new):
        return
    if cloud.all_tags(new):
        _tag_bucket(cloud, name, cloud.all_tags(new))
    else:
        cloud.s3.delete_bucket_tagging(Bucket=name)


def _delete_bucket(cloud: Cloud, name: str, state: Props) -> None:
    if found(cloud.s3.head_bucket, Bucket=name) is None:
        return
    if state.get("forceDestroy"):
        empty_bucket(cloud, name)
    try:
        found(cloud.s3.delete_bucket, Bucket=name)
    except cloud.s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "BucketNotEmpty":
            raise
        mend = "empty it, or set forceDestroy and run `pulumi up` first"
        raise PluginError(f"the bucket {name} still holds objects: {mend}") from error


def empty_bucket(cloud: Cloud, name: str, prefix: str = "", only: str = "") -> None:
    """Delete all versions of all objects below a prefix, or of one key, and all incomplete multipart uploads."""
    while objects := _first_versions(cloud, name, prefix, only):
        answer = cloud.s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
        for error in answer.get("Errors", []):
            raise PluginError(f"{error['Key']} in the bucket {name} cannot be deleted: {error['Message']}")
    if not only:
        for upload in cloud.s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            cloud.s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])


def _first_versions(cloud: Cloud, name: str, prefix: str, only: str) -> list[dict[str, str]]:
    # Always the first page: a marker of a deleted object ends the listing early.
    page = cloud.s3.list_object_versions(Bucket=name, Prefix=only or prefix)
    listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in listed if only in ("", item["Key"])]


def setting(
    token: str,
    put: Callable[[Cloud, str, Props], Any],
    show: Callable[[Cloud, str, Props], Props | None],
    remove: Callable[[Cloud, str], Any],
    **settings: Any,
) -> Row[Cloud]:
    """Return the row of a bucket setting, which is replaced as a whole and has the bucket's name as its id."""

    def create(cloud: Cloud, inputs: Props) -> str:
        put(cloud, inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(cloud: Cloud, bucket: str, inputs: Props) -> Props | None:
        live = show(cloud, bucket, inputs)
        return None if live is None else {"bucket": bucket, "region": cloud.region, **live}

    def update(cloud: Cloud, bucket: str, _old: Props, new: Props) -> None:
        put(cloud, bucket, new)

    def delete(cloud: Cloud, bucket: str, _state: Props) -> None:
        found(remove, cloud=cloud, bucket=bucket)

    replace = frozenset({"bucket", "region"})
    computed = ("region",)
    required = ("bucket", *settings.pop("required", ()))
    return Row(
        token,
        create,
        read,
        update,
        delete,
        replace=replace,
        computed=computed,
        required=required,
        unsupported={"expectedBucketOwner": "leave it out: this plugin works in one account"},
        **settings,
    )


# --- versioning --------------------------------------------------------------------------
def _put_versioning(cloud: Cloud, bucket: str, inputs: Props) -> None:
    status = inputs["versioningConfiguration"]["status"]
    if status != "Disabled":
        cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def _show_versioning(cloud: Cloud, bucket: str, _inputs: Props) -> Props | None:
    live = found(cloud.s3.get_bucket_versioning, Bucket=bucket)
    if live is None:
        return None
    return {
        "versioningConfiguration": {"mfaDelete": live.get("MFADelete", ""), "status": live.get("Status", "Disabled")}
    }


def _suspend_versioning(cloud: Cloud, bucket: str) -> None:
    # Versioning can only be suspended once it has been enabled.
    if cloud.s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        cloud.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


# --- encryption --------------------------------------------------------------------------
def _put_encryption(cloud: Cloud, bucket: str, inputs: Props) -> None:
    rules = []
    for rule in inputs["rules"]:
        default = rule.get("applyServerSideEncryptionByDefault", {})
        how = given(SSEAlgorithm=default.get("sseAlgorithm"), KMSMasterKeyID=default.get("kmsMasterKeyId"))
        rules.append(
            given(ApplyServerSideEncryptionByDefault=how or None, BucketKeyEnabled=rule.get("bucketKeyEnabled"))
        )
    cloud.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _show_encryption(cloud: Cloud, bucket: str, _inputs: Props) -> Props | None:
    live = found(cloud.s3.get_bucket_encryption, Bucket=bucket)
    if live is None:
        return None
    rules = []
    for rule in live["ServerSideEncryptionConfiguration"]["Rules"]:
        how = rule.get("ApplyServerSideEncryptionByDefault", {})
        default = given(sseAlgorithm=how.get("SSEAlgorithm"), kmsMasterKeyId=how.get("KMSMasterKeyID"))
        enabled = _truth(rule.get("BucketKeyEnabled", False))
        rules.append({"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": enabled})
    return {"rules": rules}


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


# --- public access -----------------------------------------------------------------------
_PUBLIC: Final = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


def _put_public(cloud: Cloud, bucket: str, inputs: Props) -> None:
    block = {theirs: bool(inputs.get(ours, False)) for ours, theirs in _PUBLIC.items()}
    cloud.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)


def _show_public(cloud: Cloud, bucket: str, _inputs: Props) -> Props | None:
    live = found(cloud.s3.get_public_access_block, Bucket=bucket)
    if live is None:
        return None
    block = live["PublicAccessBlockConfiguration"]
    return {ours: _truth(block.get(theirs, False)) for ours, theirs in _PUBLIC.items()}


# --- policy and ownership ----------------------------------------------------------------
def _put_policy(cloud: Cloud, bucket: str, inputs: Props) -> None:
    cloud.s3.put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])


def _show_policy(cloud: Cloud, bucket: str, _inputs: Props) -> Props | None:
    live = found(cloud.s3.get_bucket_policy, Bucket=bucket)
    return None if live is None else {"policy": live["Policy"]}


def _put_ownership(cloud: Cloud, bucket: str, inputs: Props) -> None:
    rules = [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]
    cloud.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": rules})


def _show_ownership(cloud: Cloud, bucket: str, _inputs: Props) -> Props | None:
    live = found(cloud.s3.get_bucket_ownership_controls, Bucket=bucket)
    return (
        None
        if live is None
        else {"rule": {"objectOwnership": live["OwnershipControls"]["Rules"][0]["ObjectOwnership"]}}
    )


_APART: Final = "declare it as a resource of its own: this plugin does not know it as a part of the bucket"

ROWS: Final[tuple[Row[Cloud], ...]] = (
    Row(
        "aws:s3/bucket:Bucket",
        _create_bucket,
        _read_bucket,
        _update_bucket,
        _delete_bucket,
        replace=frozenset({"bucket", "bucketPrefix", "objectLockEnabled", "region"}),
        defaults={"forceDestroy": False},
        autoname="bucket",
        autoname_unless=("bucketPrefix",),
        autoname_length=63,
        computed=(
            "arn",
            "bucketDomainName",
            "bucketRegion",
            "bucketRegionalDomainName",
            "hostedZoneId",
            "region",
            "requestPayer",
            "tagsAll",
        ),
        volatile=("tagsAll",),
        unsupported=dict.fromkeys(
            (
                "accelerationStatus",
                "acl",
                "bucketPrefix",
                "corsRules",
                "grants",
                "lifecycleRules",
                "logging",
                "objectLockConfiguration",
                "policy",
                "replicationConfiguration",
                "serverSideEncryptionConfiguration",
                "versioning",
                "website",
            ),
            _APART,
        ),
    ),
    setting(
        "aws:s3/bucketVersioning:BucketVersioning",
        _put_versioning,
        _show_versioning,
        _suspend_versioning,
        required=("versioningConfiguration",),
    ),
    setting(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        _put_encryption,
        _show_encryption,
        lambda cloud, bucket: cloud.s3.delete_bucket_encryption(Bucket=bucket),
        required=("rules",),
    ),
    setting(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        _put_public,
        _show_public,
        lambda cloud, bucket: cloud.s3.delete_public_access_block(Bucket=bucket),
        defaults=dict.fromkeys(_PUBLIC, False),
    ),
    setting(
        "aws:s3/bucketPolicy:BucketPolicy",
        _put_policy,
        _show_policy,
        lambda cloud, bucket: cloud.s3.delete_bucket_policy(Bucket=bucket),
        required=("policy",),
        json=frozenset({"policy"}),
    ),
    setting(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        _put_ownership,
        _show_ownership,
        lambda cloud, bucket: cloud.s3.delete_bucket_ownership_controls(Bucket=bucket),
        required=("rule",),
    ),
)
