"""S3 permissions required by a request; a request not in the tables needs ``s3:*`` on everything."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, parse_qsl, unquote, urlparse
from xml.parsers.expat import ExpatError

import xmltodict

from local.aws_emulator.messages import Request, as_list

UNCLASSIFIED: Final = "s3:Unclassified"

# Below this path moto serves settings of the account, which is not a bucket.
_ACCOUNT_PATH: Final = "/v20180820"
_BUCKET: Final = {
    ("GET", ""): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("GET", "versions"): "ListBucketVersions",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "policyStatus"): "GetBucketPolicyStatus",
    ("DELETE", "policy"): "DeleteBucketPolicy",
    ("DELETE", "website"): "DeleteBucketWebsite",
}
# Settings of a bucket: sub-resource, then the name in s3:Get<name> and s3:Put<name> (which also deletes).
# Only what moto supports for the method: it handles an unknown sub-resource as listing or deletion of the bucket.
_SETTINGS: Final = {
    "policy": "BucketPolicy",
    "versioning": "BucketVersioning",
    "lifecycle": "LifecycleConfiguration",
    "encryption": "EncryptionConfiguration",
    "tagging": "BucketTagging",
    "acl": "BucketAcl",
    "logging": "BucketLogging",
    "cors": "BucketCORS",
    "website": "BucketWebsite",
    "notification": "BucketNotification",
    "accelerate": "AccelerateConfiguration",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "ownershipControls": "BucketOwnershipControls",
    "object-lock": "BucketObjectLockConfiguration",
    "replication": "ReplicationConfiguration",
    "inventory": "InventoryConfiguration",
}
_DELETABLE: Final = frozenset(
    {"tagging", "cors", "lifecycle", "publicAccessBlock", "encryption", "replication", "ownershipControls"}
)
_OBJECT: Final = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "GetObject",
    ("GET", "attributes"): "GetObject",
    ("GET", "acl"): "GetObjectAcl",
    ("GET", "tagging"): "GetObjectTagging",
    ("GET", "legal-hold"): "GetObjectLegalHold",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("PUT", ""): "PutObject",
    ("PUT", "uploadId"): "PutObject",
    ("PUT", "acl"): "PutObjectAcl",
    ("PUT", "tagging"): "PutObjectTagging",
    ("PUT", "retention"): "PutObjectRetention",
    ("PUT", "legal-hold"): "PutObjectLegalHold",
    ("POST", "uploads"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("POST", "restore"): "RestoreObject",
    ("DELETE", ""): "DeleteObject",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
_VERSIONED: Final = frozenset({"GetObject", "GetObjectAcl", "GetObjectTagging", "PutObjectAcl", "PutObjectTagging"})
_VERSIONED_DELETE: Final = frozenset({"DeleteObject", "DeleteObjectTagging"})
_SUB_RESOURCES: Final = frozenset({sub for _, sub in (*_BUCKET, *_OBJECT)} | set(_SETTINGS) | {"delete"})
# Parameters that do not select another operation.
_PLAIN: Final = re.compile(
    r"list-type|prefix|delimiter|max-keys|continuation-token|start-after|encoding-type|fetch-owner|marker|key-marker"
    r"|version-id-marker|upload-id-marker|part-number-marker|max-parts|max-uploads|max-buckets|bucket-region"
    r"|versionId|partNumber|x-id|id|response-[a-z-]+|optional-object-attributes|X-Amz-[A-Za-z0-9-]+"
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTEXT_HEADERS: Final = (
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-content-sha256",
    "x-amz-copy-source",
)
_EXTRA: Final = {
    "x-amz-tagging": "PutObjectTagging",
    "x-amz-acl": "PutObjectAcl",
    "x-amz-object-lock-mode": "PutObjectRetention",
    "x-amz-object-lock-legal-hold": "PutObjectLegalHold",
}


@dataclass(frozen=True)
class Need:
    """S3 permission: action, bucket and key (empty for the bucket itself)."""

    action: str
    bucket: str = ""
    key: str = ""
    version: str = ""

    @property
    def resource(self) -> str:
        """ARN as used in policies; ``*`` for the account."""
        if not self.bucket:
            return "*"
        return f"arn:aws:s3:::{self.bucket}/{self.key}" if self.key else f"arn:aws:s3:::{self.bucket}"


def split(path: str) -> tuple[str, str] | None:
    """Split a path into bucket and key; None if it is not clearly a bucket path."""
    if not path.startswith("/") or path.startswith("//"):
        return None
    bucket, _, key = path[1:].partition("/")
    if bucket == _ACCOUNT_PATH[1:] or (bucket and not _NAME.fullmatch(bucket)):
        return None
    return bucket, unquote(key)


def names_bucket(request: Request, own: str) -> bool:
    """Return whether a request is virtual-hosted-style: the Host header has the bucket before the server's name."""
    host = request.header("host").lower()
    return host.endswith(f".{own.lower()}") or bool(re.match(r".+\.s3[.-]", host))


def needs(request: Request) -> list[Need]:
    """Return all S3 permissions that a request needs."""
    place = split(request.path)
    names = [name for name, _ in parse_qsl(request.query, keep_blank_values=True)]
    subs = [name for name in request.parameters if name in _SUB_RESOURCES]
    if request.path == f"{_ACCOUNT_PATH}/configuration/publicAccessBlock" and not request.query:
        verb = "Get" if request.method == "GET" else "Put"
        return [Need(f"s3:{verb}AccountPublicAccessBlock")]
    if place is None or len(subs) > 1 or len(names) != len(set(names)) or _ambiguous(request):
        return [Need(UNCLASSIFIED)]
    bucket, key = place
    sub = subs[0] if subs else ""
    if not bucket:
        return [Need("s3:ListAllMyBuckets" if request.method == "GET" and not sub else UNCLASSIFIED)]
    if key:
        return _object_needs(request, bucket, key, sub)
    return _bucket_needs(request, bucket, sub)


def _ambiguous(request: Request) -> bool:
    """Return whether moto might interpret a request differently from this module."""
    form = request.header("content-type").partition(";")[0].strip().lower()
    return (
        any(name not in _SUB_RESOURCES and not _PLAIN.fullmatch(name) for name in request.parameters)
        or request.parameters.get("uploadId") == ""
        or form in ("multipart/form-data", "application/x-www-form-urlencoded")
        or (bool(request.body) and request.method not in ("PUT", "POST"))
    )


def _bucket_needs(request: Request, bucket: str, sub: str) -> list[Need]:
    if (request.method, sub) == ("POST", "delete"):
        return _delete_needs(request, bucket)
    action = _BUCKET.get((request.method, sub))
    if action is None and sub in _SETTINGS:
        verb = {"GET": "Get", "PUT": "Put", "DELETE": "Put" if sub in _DELETABLE else ""}.get(request.method, "")
        action = verb + _SETTINGS[sub] if verb else None
    return [Need(f"s3:{action}" if action else UNCLASSIFIED, bucket)]


def _delete_needs(request: Request, bucket: str) -> list[Need]:
    try:
        objects = as_list(xmltodict.parse(request.body, strip_whitespace=False)["Delete"]["Object"])
        needs = [Need(*_deletion(bucket, item)) for item in objects]
    except (ExpatError, KeyError, TypeError, AttributeError):
        return [Need(UNCLASSIFIED, bucket)]
    return [*needs, *_bypass(request, bucket, "*")]


def _deletion(bucket: str, item: dict[str, str]) -> tuple[str, str, str, str]:
    version = item.get("VersionId") or ""
    return ("s3:DeleteObjectVersion" if version else "s3:DeleteObject", bucket, item["Key"], version)


def _bypass(request: Request, bucket: str, key: str) -> list[Need]:
    if request.header("x-amz-bypass-governance-retention").lower() != "true":
        return []
    return [Need("s3:BypassGovernanceRetention", bucket, key)]


def _object_needs(request: Request, bucket: str, key: str, sub: str) -> list[Need]:
    action = _OBJECT.get((request.method, sub))
    if action is None:
        return [Need(UNCLASSIFIED, bucket, key)]
    version = request.parameters.get("versionId", "")
    if version and action in _VERSIONED | _VERSIONED_DELETE:
        action = action.replace("Object", "ObjectVersion")
    needs = [Need(f"s3:{action}", bucket, key, version), *_bypass(request, bucket, key)]
    if action == "PutObject":
        needs += [Need(f"s3:{extra}", bucket, key) for header, extra in _EXTRA.items() if request.header(header)]
        grants = any(name.startswith("x-amz-grant-") for name, _ in request.headers)
        needs += [Need("s3:PutObjectAcl", bucket, key)] if grants else []
        needs += _source_needs(request)
    return needs


def _source_needs(request: Request) -> list[Need]:
    """Return the permissions for reading the source of a copy."""
    source = request.header("x-amz-copy-source")
    if not source:
        return []
    # Parsed as moto does, so that the authorised object is the copied one.
    parsed = urlparse(source)
    bucket, _, key = unquote(parsed.path).lstrip("/").partition("/")
    version = parse_qs(parsed.query).get("versionId", [""])[0]
    if not key or not _NAME.fullmatch(bucket):
        return [Need(UNCLASSIFIED)]
    return [Need("s3:GetObjectVersion" if version else "s3:GetObject", bucket, key, version)]


def context(request: Request) -> dict[str, tuple[str, ...]]:
    """Return the ``s3:`` condition keys of a request."""
    keys: dict[str, tuple[str, ...]] = {
        f"s3:{name}": (request.header(name),) for name in _CONTEXT_HEADERS if request.header(name)
    }
    # Start and parts of a multipart upload create no object; its completion (POST) does.
    creates = request.method == ("POST" if "uploadId" in request.parameters else "PUT")
    keys["s3:objectcreationoperation"] = (str(creates).lower(),)
    for name in ("if-match", "if-none-match"):
        if request.header(name):
            keys[f"s3:{name}"] = (request.header(name),)
    for name in ("prefix", "delimiter", "max-keys", "versionId"):
        if name in request.parameters:
            keys[f"s3:{name}".lower()] = (request.parameters[name],)
    keys["s3:tlsversion"] = (request.tls,)
    keys["s3:authtype"] = ("REST-QUERY-STRING" if "X-Amz-Signature" in request.parameters else "REST-HEADER",)
    keys["s3:signatureversion"] = ("AWS4-HMAC-SHA256",)
    return keys
