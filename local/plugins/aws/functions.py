"""Functions (invokes) of the aws plugin: caller identity, region, policy documents and S3 objects."""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud, found, given
from local.plugins.provider.common import PluginError, Props

_SUFFIXES: Final = {"aws-cn": "amazonaws.com.cn"}
_REGIONS: Final = {"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)"}


def _identity(cloud: Cloud, _args: Props) -> Props:
    live = cloud.sts.get_caller_identity()
    return {"accountId": live["Account"], "arn": live["Arn"], "id": live["Account"], "userId": live["UserId"]}


def _region(cloud: Cloud, args: Props) -> Props:
    name = args.get("region") or args.get("name") or cloud.region
    suffix = _SUFFIXES.get(cloud.partition, "amazonaws.com")
    shown = {"description": _REGIONS.get(name, name), "endpoint": f"ec2.{name}.{suffix}"}
    return {**shown, "id": name, "name": name, "region": name}


def _partition(cloud: Cloud, _args: Props) -> Props:
    suffix = _SUFFIXES.get(cloud.partition, "amazonaws.com")
    reverse = ".".join(reversed(suffix.split(".")))
    return {"dnsSuffix": suffix, "id": cloud.partition, "partition": cloud.partition, "reverseDnsPrefix": reverse}


def _one_or_all(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else sorted(values, reverse=True)


def _principals(listed: list[Props]) -> Any:
    if [p["type"] for p in listed] == ["*"] and listed[0]["identifiers"] == ["*"]:
        return "*"
    merged: dict[str, list[str]] = {}
    for principal in listed:
        merged.setdefault(principal["type"], []).extend(principal["identifiers"])
    return {kind: _one_or_all(names) for kind, names in merged.items()}


def _statement(written: Props) -> Props:
    statement: Props = {"Sid": written["sid"]} if written.get("sid") else {}
    statement["Effect"] = written.get("effect", "Allow")
    for ours, theirs in (("actions", "Action"), ("notActions", "NotAction"), ("resources", "Resource")):
        if written.get(ours):
            statement[theirs] = _one_or_all(written[ours])
    if written.get("notResources"):
        statement["NotResource"] = _one_or_all(written["notResources"])
    for ours, theirs in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if written.get(ours):
            statement[theirs] = _principals(written[ours])
    conditions: dict[str, Props] = {}
    for condition in written.get("conditions", []):
        values = condition["values"]
        conditions.setdefault(condition["test"], {})[condition["variable"]] = values[0] if len(values) == 1 else values
    if conditions:
        statement["Condition"] = conditions
    return statement


def _merge(documents: list[str], statements: list[Props], overriding: bool) -> list[Props]:
    """Merge the statements of documents; an overriding document replaces statements with the same Sid."""
    for text in documents:
        listed = json.loads(text).get("Statement", [])
        for statement in listed if isinstance(listed, list) else [listed]:
            sid = statement.get("Sid")
            same = [i for i, earlier in enumerate(statements) if sid and earlier.get("Sid") == sid]
            if same and overriding:
                statements[same[0]] = statement
            else:
                statements.append(statement)
    return statements


def _policy_document(_cloud: Cloud, args: Props) -> Props:
    sources = [*([args["sourceJson"]] if args.get("sourceJson") else []), *args.get("sourcePolicyDocuments", [])]
    statements = _merge(sources, [], overriding=False)
    statements += [_statement(written) for written in args.get("statements", [])]
    overrides = [
        *([args["overrideJson"]] if args.get("overrideJson") else []),
        *args.get("overridePolicyDocuments", []),
    ]
    statements = _merge(overrides, statements, overriding=True)
    document: Props = {"Version": args.get("version", "2012-10-17")}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    document["Statement"] = statements
    text = json.dumps(document, indent=2)
    minified = json.dumps(document, separators=(",", ":"))
    return {**args, "id": str(zlib.crc32(text.encode())), "json": text, "minifiedJson": minified}


_TEXT: Final = re.compile(r"text/.*|application/(.*\+)?(json|xml|yaml|x-yaml|toml|javascript|x-sql)")


def _object(cloud: Cloud, args: Props) -> Props:
    """Return an S3 object; its body only if it is text, as in the official provider."""
    cloud = cloud.at(args.get("region"))
    bucket, key = str(args["bucket"]), str(args["key"])
    version = given(VersionId=args.get("versionId"))
    sent = given(Range=args.get("range"))
    live = found(cloud.s3.get_object, Bucket=bucket, Key=key, **version, **sent)
    if live is None:
        which = f" in the version {args['versionId']}" if version else ""
        raise PluginError(
            f"there is no object {key}{which} in the bucket {bucket}: publish it first, or correct the name in the "
            "stack's configuration"
        )
    kind = str(live.get("ContentType", ""))
    body = live["Body"].read() if _TEXT.fullmatch(kind.partition(";")[0]) else None
    try:
        text = None if body is None else body.decode()
    except UnicodeDecodeError as error:
        raise PluginError(
            f"the object {key} in the bucket {bucket} has the content type {kind}, but is not text"
        ) from error
    return {
        **args,
        "arn": f"arn:{cloud.partition}:s3:::{bucket}/{key}",
        "body": text,
        "bucketKeyEnabled": live.get("BucketKeyEnabled", False),
        "contentLength": live["ContentLength"],
        "contentType": kind,
        "etag": live["ETag"].strip('"'),
        "id": f"{bucket}/{key}",
        "lastModified": live["LastModified"].strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "metadata": live.get("Metadata") or {},
        "region": cloud.region,
        "serverSideEncryption": live.get("ServerSideEncryption", ""),
        "sseKmsKeyId": live.get("SSEKMSKeyId", ""),
        "storageClass": live.get("StorageClass", "STANDARD"),
        "versionId": live.get("VersionId", ""),
    }


_FUNCTIONS: Final[Mapping[str, Callable[[Cloud, Props], Props]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:s3/getObject:getObject": _object,
}


def call(cloud: Cloud, token: str, args: Props) -> Props:
    """Handle one function call.

    Raises
    ------
    PluginError
        When this plugin does not support the function.
    """
    function = _FUNCTIONS.get(token)
    if function is None:
        raise PluginError(
            f"the embedded aws plugin does not support the function {token}: install the official plugin or add it to "
            "local/plugins/aws/functions.py"
        )
    return function(cloud, args)
