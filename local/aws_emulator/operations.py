"""Operation of a request: name, permission, and whether it only reads."""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote

from local.aws_emulator.messages import AwsError, Request
from local.aws_emulator.moto.backend import Call
from local.aws_emulator.moto.routing import route

UNCLASSIFIED: Final = "Unclassified"

# Services whose IAM prefix differs from their signing name.
_PREFIXES: Final = {"monitoring": "cloudwatch"}

_READS: Final = re.compile(
    r"(Describe|List|Get|Head|BatchGet|Lookup|Search|Select|Simulate|Estimate|Preview|Validate|Test|Check|Query|Scan).*"
)
_KMS_READS: Final = frozenset(
    {
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GenerateRandom",
        "ReEncrypt",
        "Sign",
        "Verify",
        "VerifyMac",
    }
)


def unsigned_service(request: Request) -> str:
    """Return the most likely service of an unsigned request, for the format of the error."""
    if request.header("x-amz-target"):
        return "json"
    return "sts" if request.form else "s3"


def name(call: Call) -> str:
    """Return the operation's name, ``Unclassified`` if it is not clear."""
    request = call.request
    if call.service == "s3":
        return UNCLASSIFIED
    target = request.header("x-amz-target")
    actions = [value for key, value in request.form if key == "Action"]
    if "Action" in request.parameters:
        return UNCLASSIFIED
    if len(actions) == 1 and not target:
        return actions[0]
    if actions or _hides_action(request):
        return UNCLASSIFIED
    if target:
        return target.rpartition(".")[2]
    routed = route(call)
    return routed[0] if routed is not None else UNCLASSIFIED


def permission(service: str, operation: str) -> str:
    """Return the IAM action."""
    return f"{_PREFIXES.get(service, service)}:{operation}"


def _hides_action(request: Request) -> bool:
    """Return whether moto, which also parses every body as a form, would find another action in this one."""
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return any(key == "Action" for key, _ in pairs)


def only_reads(request: Request, service: str, operation: str) -> bool:
    """Return whether a request only reads, so that it need not be journalled."""
    if service == "s3" or operation == UNCLASSIFIED:
        return request.method in ("GET", "HEAD", "OPTIONS")
    return _READS.fullmatch(operation) is not None or (service == "kms" and operation in _KMS_READS)


def refuse_unfit(request: Request, service: str, operation: str) -> None:
    """Reject requests that would break guarantees of the emulator.

    Raises
    ------
    AwsError
        For control paths of moto that could alter everything at once, and for keys that a restart would change.
    """
    if unquote(request.path).startswith(("/moto-api", "/latest/meta-data", "/latest/api", "/favicon.ico")):
        raise AwsError("AccessDenied", "The emulator's own control interface is closed")
    if service == "kms" and operation == "CreateKey":
        spec = re.search(rb'"(?:KeySpec|CustomerMasterKeySpec)"\s*:\s*"([A-Z0-9_]+)"', request.body)
        if spec is not None and spec.group(1) != b"SYMMETRIC_DEFAULT":
            raise AwsError("UnsupportedOperationException", "Only symmetric encryption keys are emulated", 400)
