"""Entry of the chain: what a service says of one request, in canonical JSON.

The time of a request is the true one, so an entry holds no shifted date: the age of the features is in hours.
"""

from typing import Annotated, Literal
from uuid import UUID

import rfc8785
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from services.audit.errors import AuditError
from services.audit.records.fields import (
    Code,
    Digest,
    Finite,
    Hospital,
    Hours,
    Moment,
    Name,
    Outcome,
    Probability,
    Pseudonym,
    Purpose,
    Route,
    Service,
    ShortDigest,
    timestamp,
)

MOST_SCORES = 1000
MAX_ENTRY_BYTES = 512 * 1024
"""Largest entry that the database accepts."""

_FROZEN = ConfigDict(extra="forbid")


@validated(frozen=True, kw_only=True, config=_FROZEN)
class ReleaseRef:
    """The release that answered.

    Parameters
    ----------
    model, version, digest
        The model, the released version and the release's digest.
    preprocessing
        Digest of the preprocessing.
    threshold
        The threshold that decided.
    schema_version
        Version of the feature schema.
    """

    model: Code
    version: Code
    digest: ShortDigest
    preprocessing: ShortDigest | None = None
    threshold: Finite | None = None
    schema_version: Code | None = None


@validated(frozen=True, kw_only=True, config=_FROZEN)
class ScoredEncounter:
    """Answer for one encounter of a request.

    Parameters
    ----------
    encounter, patient
        Pseudonyms.
    status
        Scored by the release, ranked by LACE, or not scored.
    risk
        The risk that was answered, a probability.
    lace
        The LACE index that was answered.
    decision, fallback_reason, not_scored_reason
        Codes.
    freshness_hours
        Age of the features at the time of the request.
    features_digest
        SHA-256 of the salt and the feature values; ``chain.append`` sets it.
    release
        The release that scored it, where another than the entry's did: a canary's, in a request that two answered.
    """

    encounter: Pseudonym
    patient: Pseudonym | None = None
    status: Literal["scored", "fallback", "not-scored"]
    risk: Probability | None = None
    lace: Annotated[int, Field(ge=0, le=19)] | None = None
    decision: Code | None = None
    fallback_reason: Code | None = None
    not_scored_reason: Code | None = None
    freshness_hours: Hours | None = None
    features_digest: Digest | None = None
    release: ReleaseRef | None = None


@validated(frozen=True, kw_only=True, config=_FROZEN)
class ConfigurationRef:
    """A part of a service's configuration, at its start.

    Parameters
    ----------
    component
        Which part: settings, workflows, thresholds, policies, grants.
    digest
        SHA-256 of its content.
    changed_by
        Who deployed it.
    """

    component: Code
    digest: Digest
    changed_by: Name | None = None


@validated(frozen=True, kw_only=True, config=_FROZEN)
class GatewayProcess:
    """The Envoy process of the gateway that refused a request, or what it counted.

    Parameters
    ----------
    instance
        Address of its pod, as a code.
    started
        When it started.
    logged, dropped
        Entries that it logged for the recorder since then, and those of them that it could not send.
    """

    instance: Code
    started: Moment | None = None
    logged: Annotated[int, Field(ge=0)] | None = None
    dropped: Annotated[int, Field(ge=0)] | None = None


@validated(frozen=True, kw_only=True, config=_FROZEN)
class AuditEntry:
    """Entry of a record: one request, answered or refused, as its service describes it.

    Parameters
    ----------
    request_id, occurred_at
        The request and the time it came in.
    service, route, workflow
        What was asked.
    caller, caller_role, purpose
        Who asked, and the purpose of use.
    recipient
        The organisation that received the answer, where it is not the hospital.
    hospital, encounter, patient
        Whose data; pseudonyms of a request about one encounter.
    encounters
        Pseudonyms of all encounters that a list shows.
    release
        The release that answered; a score of another one names it itself.
    freshness_hours
        Age of the features at the time of the request.
    outcome, status, fallback_reason
        What was answered, and the HTTP status.
    action, detail
        A person's action and details, as codes.
    scores
        The encounters that the answer is about.
    configuration
        At a service's start: its configuration.
    gateway
        Of a record of the gateway: its Envoy process.
    """

    request_id: UUID
    occurred_at: Moment
    service: Service
    route: Route
    hospital: Hospital
    caller: Name
    outcome: Outcome
    status: Annotated[int, Field(ge=100, le=599)]
    workflow: Code | None = None
    caller_role: Code | None = None
    purpose: Purpose | None = None
    recipient: Name | None = None
    encounter: Pseudonym | None = None
    patient: Pseudonym | None = None
    encounters: Annotated[tuple[Pseudonym, ...], Field(max_length=MOST_SCORES)] = ()
    release: ReleaseRef | None = None
    freshness_hours: Hours | None = None
    fallback_reason: Code | None = None
    action: Code | None = None
    detail: Code | None = None
    scores: Annotated[tuple[ScoredEncounter, ...], Field(max_length=MOST_SCORES)] = ()
    configuration: Annotated[tuple[ConfigurationRef, ...], Field(max_length=20)] = ()
    gateway: GatewayProcess | None = None

    def canonical(self) -> str:
        """Return the entry in canonical JSON (RFC 8785); what is absent is left out."""
        plain = _ENTRY.dump_python(self, mode="json", exclude_none=True)
        plain["occurred_at"] = timestamp(self.occurred_at)
        return rfc8785.dumps({name: value for name, value in plain.items() if value != []}).decode()

    def releases(self) -> tuple[ReleaseRef, ...]:
        """Return the releases that answered: the entry's, and those that scores name."""
        named = (self.release, *(score.release for score in self.scores))
        return tuple(dict.fromkeys(release for release in named if release is not None))

    def all_encounters(self) -> frozenset[str]:
        """Return the pseudonyms of all encounters that the entry names."""
        named = (self.encounter, *self.encounters, *(score.encounter for score in self.scores))
        return frozenset(name for name in named if name is not None)

    def subjects(self) -> frozenset[str]:
        """Return the pseudonyms of all encounters and patients that the entry names."""
        patients = (self.patient, *(score.patient for score in self.scores))
        return self.all_encounters() | frozenset(name for name in patients if name is not None)


_ENTRY: TypeAdapter[AuditEntry] = TypeAdapter(AuditEntry)


def parse_entry(text: str) -> AuditEntry:
    """Return an entry from its canonical JSON.

    Raises
    ------
    AuditError
        If it is not an entry, or not in canonical form.
    """
    try:
        entry = _ENTRY.validate_json(text)
    except ValidationError as fault:
        where = ".".join(str(part) for part in fault.errors()[0]["loc"]) or "the whole"
        raise AuditError(f"is not an audit entry ({where})") from None
    if entry.canonical() != text:
        raise AuditError("is not in canonical JSON")
    return entry
