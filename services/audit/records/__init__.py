"""Audit records: what one request leaves on record, and the hash that links it to the record before."""

from services.audit.records.entry import (
    MOST_SCORES,
    AuditEntry,
    ConfigurationRef,
    GatewayProcess,
    ReleaseRef,
    ScoredEncounter,
    parse_entry,
)
from services.audit.records.feature_values import KeptValues, feature_bytes
from services.audit.records.fields import Digest, Name, Service, timestamp
from services.audit.records.record import GENESIS, Record

__all__ = [
    "GENESIS",
    "MOST_SCORES",
    "AuditEntry",
    "ConfigurationRef",
    "Digest",
    "GatewayProcess",
    "KeptValues",
    "Name",
    "Record",
    "ReleaseRef",
    "ScoredEncounter",
    "Service",
    "feature_bytes",
    "parse_entry",
    "timestamp",
]
