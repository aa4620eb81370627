"""Signature Version 4: parsing and verification of signed requests."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from local.aws_emulator.messages import AwsError, Request

_SKEW: Final = timedelta(minutes=15)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})\s*"
)
_PAYLOADS: Final = re.compile(r"[0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")


@dataclass(frozen=True)
class Signed:
    """Signature fields of a request, not yet verified."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    token: str
    payload: str
    presigned: bool
    expires: int = 0


def read(request: Request) -> Signed | None:
    """Return the signature fields of a request, or None if it is not signed."""
    if request.header("authorization"):
        return _from_header(request)
    if "X-Amz-Signature" in request.parameters:
        return _from_query(request)
    return None


def _incomplete() -> AwsError:
    return AwsError("IncompleteSignature", "The request signature does not conform to AWS standards.", 400)


def _scope(credential: str) -> tuple[str, str, str, str]:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise _incomplete()
    return parts[0], parts[1], parts[2], parts[3].lower()


def _from_header(request: Request) -> Signed:
    match = _AUTHORIZATION.fullmatch(request.header("authorization"))
    if match is None:
        raise _incomplete()
    key, date, region, service = _scope(match.group(1))
    payload = request.header("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    return Signed(
        access_key=key,
        date=date,
        region=region,
        service=service,
        signed_headers=tuple(match.group(2).split(";")),
        signature=match.group(3),
        stamp=request.header("x-amz-date"),
        token=request.header("x-amz-security-token"),
        payload=payload,
        presigned=False,
    )


def _from_query(request: Request) -> Signed:
    parameters = request.parameters
    key, date, region, service = _scope(parameters.get("X-Amz-Credential", ""))
    expires = parameters.get("X-Amz-Expires", "")
    if not expires.isdigit() or int(expires) > 604800:
        raise _incomplete()
    return Signed(
        access_key=key,
        date=date,
        region=region,
        service=service,
        signed_headers=tuple(parameters.get("X-Amz-SignedHeaders", "").split(";")),
        signature=parameters["X-Amz-Signature"],
        stamp=parameters.get("X-Amz-Date", ""),
        token=parameters.get("X-Amz-Security-Token", ""),
        payload="UNSIGNED-PAYLOAD" if service == "s3" else hashlib.sha256(request.body).hexdigest(),
        presigned=True,
        expires=int(expires),
    )


def verify(request: Request, signed: Signed, secret: str, now: datetime) -> None:
    """Check time, payload and signature.

    Raises
    ------
    AwsError
        When one of them is wrong, in AWS's words.
    """
    _check_time(signed, now)
    _check_payload(request, signed)
    if "host" not in signed.signed_headers:
        raise _incomplete()
    unsigned = {name for name, _ in request.headers if name.startswith("x-amz-")} - set(signed.signed_headers)
    if unsigned - {"x-amz-content-sha256"}:
        raise AwsError("AccessDenied", "There were headers present in the request which were not signed")
    expected = hmac.new(_signing_key(signed, secret), _string_to_sign(request, signed), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signed.signature):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )


def _check_time(signed: Signed, now: datetime) -> None:
    try:
        stamp = datetime.strptime(signed.stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _incomplete() from None
    if not signed.stamp.startswith(signed.date):
        raise _incomplete()
    if signed.presigned and now > stamp + timedelta(seconds=signed.expires):
        raise AwsError("AccessDenied", "Request has expired")
    if (signed.presigned and stamp - now > _SKEW) or (not signed.presigned and abs(now - stamp) > _SKEW):
        raise AwsError(
            "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )


def _check_payload(request: Request, signed: Signed) -> None:
    if not _PAYLOADS.fullmatch(signed.payload):
        raise _incomplete()
    if len(signed.payload) == 64 and signed.payload != hashlib.sha256(request.body).hexdigest():
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            400,
        )


def _string_to_sign(request: Request, signed: Signed) -> bytes:
    canonical = "\n".join(
        [
            request.method,
            _canonical_path(request.path, signed.service),
            _canonical_query(request.query),
            "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in signed.signed_headers),
            ";".join(signed.signed_headers),
            signed.payload,
        ]
    )
    scope = f"{signed.date}/{signed.region}/{signed.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"AWS4-HMAC-SHA256\n{signed.stamp}\n{scope}\n{digest}".encode()


def _canonical_path(path: str, service: str) -> str:
    # S3 signs the path encoded once; all other services encode the sent path again.
    return quote(unquote(path), safe="/~") if service == "s3" else quote(path, safe="/~")


def _canonical_query(query: str) -> str:
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _signing_key(signed: Signed, secret: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (signed.date, signed.region, signed.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
