"""Audit entries of what the gateway refused, from entries of its access log.

The gateway sends codes and names only (``workloads/serving/gateway_records.py``); what is not a code of the expected
form is replaced here, so that no text of a client can enter a record.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.audit.http import METHODS, UNIDENTIFIED, UNMATCHED
from services.audit.records import AuditEntry, GatewayProcess

CONNECT = "connect"
"""Action of a connection that was refused before any request was read."""
CONNECTION_STATUS = 400
"""Status of a refused connection, which has none of its own."""
APPLICATION = "application"

# httproute/NAMESPACE/NAME/rule/…
_ROUTE = re.compile(r"httproute/[a-z0-9-]+/([a-z0-9-]{1,52})/")
_SUBJECT = re.compile(r"CN=([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
# Envoy appends what it found to some details, in braces or brackets.
_DETAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TLS_REASON = re.compile(r"OPENSSL_internal:([A-Z0-9_]{1,56})")
_CERTIFICATE_FAULTS = {
    "certificate_revoked": "tls.certificate_revoked",
    "certificate_has_expired": "tls.certificate_expired",
    "certificate_is_not_yet_valid": "tls.certificate_not_yet_valid",
}


@dataclass(frozen=True)
class LogEntry:
    """An entry of the gateway's access log.

    Parameters
    ----------
    attributes
        Its fields; one that does not apply is ``-``.
    started
        Start of the request or of the connection.
    """

    attributes: Mapping[str, str]
    started: datetime

    def get(self, name: str) -> str:
        """Return a field; empty where it does not apply."""
        value = self.attributes.get(name, "")
        return "" if value == "-" else value


def refusal(logged: LogEntry, hospital: str, instance: str) -> AuditEntry:
    """Return the audit entry of a request or a connection that the gateway refused.

    Parameters
    ----------
    logged : LogEntry
        The entry of the access log.
    hospital : str
        The hospital.
    instance : str
        The pod of the gateway.
    """
    status = logged.get("status")
    request = status.isdecimal() and 400 <= int(status) <= 599
    subject = _SUBJECT.fullmatch(logged.get("certificate"))
    # The certificate of a refused connection was not verified, so it names nobody.
    caller = subject[1] if request and subject else None
    number = int(status) if request else CONNECTION_STATUS
    return AuditEntry(
        request_id=_request_id(logged.get("request")),
        occurred_at=logged.started,
        service="gateway",
        route=_route(logged) if request else UNMATCHED,
        hospital=hospital,
        caller=caller or UNIDENTIFIED,
        caller_role=APPLICATION if caller else None,
        outcome="failed" if number >= 500 and number != 501 else "refused",
        status=number,
        action=None if request else CONNECT,
        detail=_detail(logged.get("details")) if request else _connection_detail(logged),
        gateway=GatewayProcess(instance=instance),
    )


def _route(logged: LogEntry) -> str:
    """Return method and name of the row of the route table; the path is never in the log."""
    match = _ROUTE.match(logged.get("route"))
    if match is None:
        return UNMATCHED
    method = logged.get("method")
    return f"{method if method in METHODS else 'OTHER'} /{match[1]}"


def _detail(details: str) -> str:
    match = _DETAIL.match(details)
    return match[0] if match else "unknown"


def _connection_detail(logged: LogEntry) -> str:
    failure = logged.get("failure")
    for part, code in _CERTIFICATE_FAULTS.items():
        if part in failure:
            return code
    reason = _TLS_REASON.search(failure)
    if reason:
        return f"tls.{reason[1].lower()}"
    return "tls.other" if failure else _detail(logged.get("details"))


def _request_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid4()


def moment(nanoseconds: int) -> datetime:
    """Return a time of OTLP: nanoseconds since the epoch."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
