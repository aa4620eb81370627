"""A grant: what a principal may do to data, with the path by which it may."""

from dataclasses import dataclass

from policy_pack.facts.verbs import Verb

ANOTHER_PRINCIPAL = "another principal of the account"
"""A principal of the AWS account that the stack does not declare, with every permission by its own policies."""
FOREIGN_PRINCIPAL = "a principal of another account"
ANONYMOUS = "anonymous"

EVERYTHING = "*"
"""The data class of a grant whose scope cannot be computed: it counts as a grant of all data."""


@dataclass(frozen=True, order=True)
class Subject:
    """A principal as the table of access names it, and its hospital; the hospital is empty for the platform's."""

    name: str
    hospital: str = ""


@dataclass(frozen=True, order=True)
class Data:
    """A data class, and the hospital whose data it is; the hospital is empty for the platform's."""

    name: str
    hospital: str = ""


@dataclass(frozen=True, order=True)
class Grant:
    """One thing that one principal may do to data.

    Parameters
    ----------
    subject
        The principal, as `AccessContext` names it.
    data
        The data. `EVERYTHING` where the scope cannot be computed.
    verb
        What it may do; None where this cannot be computed.
    path
        The steps from the principal to the data, as text for a reader.
    source
        The URN of the resource that grants it.
    certain
        False where a value that decides is not known before the update; the grant counts, and is reported as
        not yet known.
    acted
        The other principal as which the principal acts, where the grant is that one's.
    """

    subject: Subject
    data: Data
    verb: Verb | None
    path: tuple[str, ...]
    source: str
    certain: bool = True
    acted: Subject | None = None
