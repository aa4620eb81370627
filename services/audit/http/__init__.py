"""One audit record for every request of a service, on record before its answer leaves."""

from services.audit.http.middleware import HEADER, WITHOUT_RECORD, RecordedRequests, caller_refused, recorded
from services.audit.http.recorder import START_SECONDS, UNIDENTIFIED, Caller, Recorder, peer
from services.audit.http.request import METHODS, UNMATCHED, RequestAudit, audit

__all__ = [
    "HEADER",
    "METHODS",
    "START_SECONDS",
    "UNIDENTIFIED",
    "UNMATCHED",
    "WITHOUT_RECORD",
    "Caller",
    "RecordedRequests",
    "Recorder",
    "RequestAudit",
    "audit",
    "caller_refused",
    "peer",
    "recorded",
]
