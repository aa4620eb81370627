"""The record of a service's start: digests of the configuration that it runs with, and who deployed it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from model.errors import UserError
from services.audit.records import AuditEntry, ConfigurationRef, Digest, Name, ReleaseRef, Service

START = "start"
ROUTE = "/start"
DEPLOYED_BY, POLICIES_DIGEST = "DEPLOYED_BY", "POLICIES_DIGEST"
POLICIES = "policies"
"""Component of the tables of the policies that judged the update."""


@dataclass(frozen=True)
class Deployment:
    """Deployment of a service, as the platform describes it.

    Parameters
    ----------
    by
        Who deploys: the IAM role or user that the stack names; None where the platform does not say.
    policies
        SHA-256 of the tables of the policies that judged the update; None for a service that does not record them.
    """

    by: str | None = None
    policies: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Deployment":
        """Return what ``DEPLOYED_BY`` and ``POLICIES_DIGEST`` say; an empty variable counts as absent.

        Raises
        ------
        UserError
            If one is not what a record can hold.
        """
        return cls(
            _checked(environment, DEPLOYED_BY, TypeAdapter(Name), "an identifier without spaces, such as an ARN"),
            _checked(environment, POLICIES_DIGEST, TypeAdapter(Digest), "a SHA-256 of 64 hexadecimal digits"),
        )


def _checked(environment: Mapping[str, str], name: str, kind: TypeAdapter[str], wanted: str) -> str | None:
    value = environment.get(name) or None
    try:
        return None if value is None else kind.validate_python(value)
    except ValidationError:
        raise UserError(f"{name} is not {wanted}; correct the service's environment.") from None


def start_entry(
    service: Service,
    hospital: str,
    components: Mapping[str, bytes],
    *,
    deployment: Deployment,
    release: ReleaseRef | None,
    at: datetime,
) -> AuditEntry:
    """Return the entry that a service appends when it starts, before it answers anything.

    Parameters
    ----------
    service, hospital
        The service.
    components
        Each part of its configuration (``settings``, ``workflows``, ``thresholds``), as bytes: the digest of them is
        on record, not the content. Leave secrets out.
    deployment
        Who deployed it, and the digest of the policies, which is on record as it is.
    release
        The release that it was assigned.
    at
        The time.
    """
    digests = {name: sha256(content).hexdigest() for name, content in components.items()}
    if deployment.policies is not None:
        digests[POLICIES] = deployment.policies
    parts = tuple(
        ConfigurationRef(component=name, digest=digest, changed_by=deployment.by)
        for name, digest in sorted(digests.items())
    )
    return AuditEntry(
        request_id=uuid4(),
        occurred_at=at,
        service=service,
        route=ROUTE,
        hospital=hospital,
        caller=deployment.by or f"{hospital}-{service}",
        outcome="answered",
        status=200,
        action=START,
        release=release,
        configuration=parts,
    )
