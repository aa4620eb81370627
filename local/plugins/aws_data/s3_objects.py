"""Rows of the aws plugin for S3 objects."""

import base64
from pathlib import Path
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud, found, given
from local.plugins.aws_data.s3 import empty_bucket
from local.plugins.provider.common import PluginError, Props, Special
from local.plugins.provider.rows import Row

_HEADERS: Final = {
    "cacheControl": "CacheControl",
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "websiteRedirect": "WebsiteRedirectLocation",
    "storageClass": "StorageClass",
    "serverSideEncryption": "ServerSideEncryption",
    "bucketKeyEnabled": "BucketKeyEnabled",
    "metadata": "Metadata",
}

_CONTENT: Final = ("content", "contentBase64", "source")


def _content(inputs: Props) -> bytes:
    if "content" in inputs:
        return str(inputs["content"]).encode()
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"])
    source: Any = inputs.get("source")
    if source is None:
        return b""
    if isinstance(source, Special) and "text" in source.fields:
        return str(source.fields["text"]).encode()
    if isinstance(source, Special) and "path" in source.fields:
        try:
            return Path(str(source.fields["path"])).read_bytes()
        except OSError as error:
            raise PluginError(f"the asset {source.fields['path']} cannot be read: {error.strerror}") from error
    raise PluginError(
        "an S3 object's source must be a file or a text asset; archives and remote assets are not supported"
    )


def _put(cloud: Cloud, inputs: Props) -> None:
    inputs = {"contentType": "application/octet-stream", **inputs}
    key = inputs.get("kmsKeyId")
    sent = given(**{theirs: inputs.get(ours) for ours, theirs in _HEADERS.items()})
    if key:
        sent |= {"SSEKMSKeyId": key, "ServerSideEncryption": inputs.get("serverSideEncryption", "aws:kms")}
    tags = "&".join(f"{name}={value}" for name, value in sorted(cloud.all_tags(inputs).items()))
    cloud.s3.put_object(
        Bucket=inputs["bucket"], Key=inputs["key"], Body=_content(inputs), **sent, **given(Tagging=tags or None)
    )


def _create(cloud: Cloud, inputs: Props) -> str:
    _put(cloud, inputs)
    return str(inputs["key"])


def _read(cloud: Cloud, key: str, inputs: Props) -> Props | None:
    bucket = str(inputs.get("bucket", ""))
    live = found(cloud.s3.head_object, Bucket=bucket, Key=key)
    if live is None:
        return None
    shown = {ours: live.get(theirs) for ours, theirs in _HEADERS.items() if ours != "metadata"}
    etag = live["ETag"].strip('"')
    # The content is not read, but a changed ETag shows that somebody else has written the object.
    written = inputs.get("etag", etag) == etag
    shown |= {name: inputs[name] if written else None for name in _CONTENT if name in inputs}
    return {
        **shown,
        "arn": f"arn:{cloud.partition}:s3:::{bucket}/{key}",
        "bucket": bucket,
        "etag": etag,
        "key": key,
        "kmsKeyId": live.get("SSEKMSKeyId"),
        "metadata": live.get("Metadata") or None,
        "region": cloud.region,
        "storageClass": live.get("StorageClass", "STANDARD"),
        "tagsAll": cloud.all_tags(inputs),
        "versionId": live.get("VersionId", ""),
    }


def _update(cloud: Cloud, _key: str, _old: Props, new: Props) -> None:
    _put(cloud, new)


def _delete(cloud: Cloud, key: str, state: Props) -> None:
    bucket = str(state["bucket"])
    if found(cloud.s3.head_bucket, Bucket=bucket) is not None:
        empty_bucket(cloud, bucket, only=key)


ROWS: Final[tuple[Row[Cloud], ...]] = (
    Row(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        _create,
        _read,
        _update,
        _delete,
        required=("bucket",),
        replace=frozenset({"bucket", "key", "region"}),
        defaults={"forceDestroy": False},
        autoname="key",
        # Computed by the server; with KMS the ETag is not a digest of the content.
        computed=("arn", "etag", "region", "tagsAll", "versionId"),
        volatile=("etag", "tagsAll", "versionId"),
        identify=lambda id_: {"bucket": id_.partition("/")[0], "key": id_.partition("/")[2]},
    ),
)
