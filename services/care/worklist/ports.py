"""Ports of the worklist to the rest of care: identities by pseudonym, and planning's history of scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from fastapi import Request


@dataclass(frozen=True)
class Identity:
    """Identity of a patient; shown on the screen, never stored by the worklist."""

    name: str
    record_number: str
    birth_date: date | None = None
    telephone: str | None = None


@dataclass(frozen=True)
class Access:
    """Access to identities: the person and the reason, as in its audit record.

    Parameters
    ----------
    subject : str
        The person, as the identity provider calls them.
    role : str
        The role in which they ask.
    purpose : str
        Purpose of use, a code of HL7 v3 PurposeOfUse.
    break_glass : bool
        Whether they asked for a patient of another unit.
    """

    subject: str
    role: str
    purpose: str
    break_glass: bool = False


class Identities(Protocol):
    """The identity lookup. Every access is on record before it returns; without a record it raises."""

    def reveal(self, encounters: Sequence[str], access: Access) -> Mapping[str, Identity]:
        """Return the identities of encounters by pseudonym; an unknown one is absent."""
        ...

    def find(self, record_number: str, access: Access) -> tuple[str, ...]:
        """Return the encounters, by pseudonym, of the patient with a record number."""
        ...


@dataclass(frozen=True)
class PastScore:
    """A score that planning gave."""

    at: datetime
    status: str
    risk: float | None
    lace: int | None
    release: str
    record: int


@dataclass(frozen=True)
class Override:
    """A person's coded disagreement with a score.

    Parameters
    ----------
    encounter : str
        Pseudonym.
    record : int
        Audit record of the score.
    direction : str
        ``raised`` or ``lowered``.
    code : str
        A code of planning's ``feedback.yaml``.
    """

    encounter: str
    record: int
    direction: str
    code: str


@dataclass(frozen=True)
class Launched:
    """Launch context from the EHR: the patient, and the encounter if one was open; pseudonyms."""

    patient: str
    encounter: str | None = None


class Launches(Protocol):
    """Launches from the EHR (SMART App Launch) that have ended at care."""

    def opened(self, ticket: str) -> "Launched | None":
        """Return what a launch opens, once; none for an unknown or used ticket."""
        ...


class ScoresUnavailableError(Exception):
    """Planning did not answer."""


class Scores(Protocol):
    """Planning."""

    def history(self, encounter: str) -> tuple[PastScore, ...]:
        """Return the scores of an encounter, newest first; `ScoresUnavailableError` if planning does not answer."""
        ...

    def feedback(self, override: Override) -> None:
        """Report an override; `ScoresUnavailableError` if planning does not take it now."""
        ...


class IdentitiesUnavailableError(Exception):
    """The identity lookup does not answer; the list is shown without names."""


@dataclass(frozen=True)
class Facts:
    """Facts for the audit record of a request: codes and pseudonyms, and no text that a person wrote.

    Parameters
    ----------
    caller, caller_role, purpose : str, optional
        Who asked, in which role, for what; absent if nobody proved who they are.
    encounter : str, optional
        The encounter of a request about one.
    encounters : tuple of str
        The encounters that a list shows.
    action, detail : str, optional
        What a person did, and its code.
    outcome : str
        ``answered`` or ``refused``.
    """

    caller: str | None = None
    caller_role: str | None = None
    purpose: str | None = None
    encounter: str | None = None
    encounters: tuple[str, ...] = ()
    action: str | None = None
    detail: str | None = None
    outcome: str = "answered"


class Audit(Protocol):
    """Puts a request on record; called once for each, before its effect is committed and its answer leaves."""

    def __call__(self, request: Request, facts: Facts, status: int) -> None:
        """Append the record; raise if it is not written."""
        ...
