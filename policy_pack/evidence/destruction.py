"""Evidence of destruction: the resources of a former hospital that were deleted, retained, or still exist."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from policy_pack.errors import PackError
from policy_pack.evidence.state_reader import StackState, read
from policy_pack.facts.ownership import OwnershipIndex
from policy_pack.settings import Settings
from policy_pack.stack import state
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, KEY
from policy_pack.stack.text import display_name

DEFAULT_DELETION_WINDOW_DAYS = 30


class Disposition(StrEnum):
    """Disposition of a resource of a hospital that left."""

    DESTROYED = "destroyed"
    PENDING_DELETION = "key pending deletion"
    RETAINED = "retained outside the stack"
    REMAINS = "remains"


@dataclass(frozen=True)
class FormerResource:
    """One resource of the former hospital.

    Parameters
    ----------
    urn, kind, name, data_class
        The resource.
    disposition
        What happened to it.
    detail
        For a key, its deletion window, or its deletion date where the account was asked.
    problem
        How this differs from the expected disposition; empty where it does not.
    """

    urn: str
    kind: str
    name: str
    data_class: str
    disposition: Disposition
    detail: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Destruction:
    """The resources of a former hospital, compared between two states of a stack."""

    stack: str
    hospital: str
    account_checked: bool
    resources: tuple[FormerResource, ...]

    @property
    def problems(self) -> list[FormerResource]:
        """The resources with another disposition than expected."""
        return [resource for resource in self.resources if resource.problem]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


AccountCheck = Callable[[Resource, Disposition], tuple[str, str]]
"""Returns the detail and the problem of a key or bucket, as the AWS account has it."""


DatabaseCheck = Callable[[Graph, str], list[FormerResource]]
"""Returns the databases and roles of a hospital, as the PostgreSQL server has them, from the state before."""


def destruction(
    stack: str,
    hospital: str,
    before: Path,
    after: Path,
    settings: Settings,
    check_account: AccountCheck | None = None,
    check_databases: DatabaseCheck | None = None,
) -> Destruction:
    """Compare a stack before and after a hospital's entry was removed.

    Parameters
    ----------
    stack, hospital
        The stack and the hospital.
    before, after
        Exported states.
    settings
        The settings of the pack.
    check_account
        Looks up keys and buckets in the AWS account; None compares the states alone.
    check_databases
        Looks up databases and roles in PostgreSQL; None leaves them out.

    Raises
    ------
    PackError
        When a state cannot be read, or the hospital is not in the first one.
    """
    old, new = read(stack, before), read(stack, after)
    retained = {str(entry["urn"]) for entry in state.entries(before) if entry.get("retainOnDelete")}
    remaining = {resource.urn for resource in new.graph}
    former = _of_hospital(old, hospital, settings)
    if not former:
        raise PackError(
            f"{before} has no resources of hospital {hospital}; use a state exported before its entry was removed."
        )
    resources = [_former(resource, data_class, remaining, retained, check_account) for resource, data_class in former]
    compared = {resource.urn for resource in resources}
    resources += [
        FormerResource(
            resource.urn,
            resource.kind,
            display_name(resource),
            data_class,
            Disposition.REMAINS,
            problem="was created after the removal",
        )
        for resource, data_class in _of_hospital(new, hospital, settings)
        if resource.urn not in compared
    ]
    if check_databases:
        resources += check_databases(old.graph, hospital)
    in_order = tuple(sorted(resources, key=lambda resource: resource.urn))
    return Destruction(stack, hospital, check_account is not None, in_order)


def _of_hospital(source: StackState, hospital: str, settings: Settings) -> list[tuple[Resource, str]]:
    owners = OwnershipIndex(source.graph, settings)
    ownerships = [(resource, owners.of(resource)) for resource in source.graph]
    return [(resource, owner.data_class) for resource, owner in ownerships if owner.hospital == hospital]


def _former(
    resource: Resource, data_class: str, remaining: set[str], retained: set[str], check_account: AccountCheck | None
) -> FormerResource:
    detail, problem = "", ""
    if resource.urn in remaining:
        disposition, problem = Disposition.REMAINS, "is still in the stack"
    elif resource.urn in retained:
        disposition = Disposition.RETAINED
    elif resource.kind == KEY:
        days = resource.at("deletionWindowInDays").raw
        disposition = Disposition.PENDING_DELETION
        detail = f"{days if isinstance(days, int | float) else DEFAULT_DELETION_WINDOW_DAYS:.0f} days"
    else:
        disposition = Disposition.DESTROYED
    if check_account and not problem and resource.kind in (KEY, BUCKET):
        account_detail, problem = check_account(resource, disposition)
        detail = account_detail or detail
    return FormerResource(resource.urn, resource.kind, display_name(resource), data_class, disposition, detail, problem)
