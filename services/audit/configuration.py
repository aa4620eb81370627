"""The record of a service's start: digests of the configuration that it runs with, and who deployed it."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from services.audit.records import AuditEntry, ConfigurationRef, ReleaseRef, Service

START = "start"
ROUTE = "/start"


def start_entry(
    service: Service,
    hospital: str,
    components: Mapping[str, bytes],
    *,
    deployed_by: str | None,
    release: ReleaseRef | None,
    at: datetime,
) -> AuditEntry:
    """Return the entry that a service appends when it starts, before it answers anything.

    Parameters
    ----------
    service, hospital
        The service.
    components
        Each part of its configuration (``settings``, ``workflows``, ``thresholds``, ``policies``), as bytes: the digest
        of them is on record, not the content. Leave secrets out.
    deployed_by
        Who deployed it; None where the platform does not say.
    release
        The release that it was assigned.
    at
        The time.
    """
    parts = tuple(
        ConfigurationRef(component=name, digest=sha256(content).hexdigest(), changed_by=deployed_by)
        for name, content in sorted(components.items())
    )
    return AuditEntry(
        request_id=uuid4(),
        occurred_at=at,
        service=service,
        route=ROUTE,
        hospital=hospital,
        caller=deployed_by or f"{hospital}-{service}",
        outcome="answered",
        status=200,
        action=START,
        release=release,
        configuration=parts,
    )
