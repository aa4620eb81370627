"""The errors of the audit chain; each message is one sentence for a person."""

from model.errors import UserError


class AuditError(UserError):
    """A record, an anchor or a question that is not acceptable; exit code 2."""


class NotRecordedError(Exception):
    """A record could not be written durably, so nothing may be answered."""
