"""AWS resources that clients outside can reach by themselves, from the table ``aws_services.yaml``."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter

from policy_pack import tables
from policy_pack.facts.exposure.entry_points import EntryPoint
from policy_pack.facts.exposure.table import Reach, reach_of
from policy_pack.stack.graph import Resource
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("aws_services.yaml")
_PRESENT = "present"
_EACH = "[]."


class AwsService(BaseModel):
    """A type of AWS resource; ``aws_services.yaml`` documents the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    kind: str = "public-service"
    reach: Annotated[Reach, BeforeValidator(reach_of)] = Reach.INTERNET
    closed_if: dict[str, tuple[Any, ...]] = {}


@cache
def aws_services() -> dict[str, AwsService]:
    """Return the rows of the table by type."""
    return tables.read(TypeAdapter(dict[str, AwsService]).validate_python, TABLE)


def public_resources(resource: Resource) -> Iterator[Iterator[EntryPoint]]:
    """Return the entry points that a resource is, one iterator for each property that can close it.

    A property that is not known yet ends its own iterator only.
    """
    row = aws_services()[resource.kind]
    label = f"{row.what} {resource.name}"
    if not row.closed_if:
        yield iter((EntryPoint(row.kind, resource, label, row.reach),))
    for path, closed in row.closed_if.items():
        yield _open_by(resource, row, path, closed)


def _open_by(resource: Resource, row: AwsService, path: str, closed: tuple[Any, ...]) -> Iterator[EntryPoint]:
    for view in _values(View(resource.props), path):
        if not _is_closed(view, closed):
            label, why = f"{row.what} {resource.name}", f"{path} is {_shown(view)}"
            yield EntryPoint(row.kind, resource, label, row.reach, why, "", view.path)


def _values(view: View, path: str) -> Iterator[View]:
    """Return the values at a path; ``[].`` in it stands for each item of a list."""
    head, separator, rest = path.partition(_EACH)
    if not separator:
        yield view.at(head)
        return
    for item in view.at(head).items():
        yield from _values(item, rest)


def _is_closed(view: View, closed: tuple[Any, ...]) -> bool:
    if _PRESENT in closed:
        return not view.absent
    value = None if view.absent else view.value
    return value in closed or (isinstance(value, list) and all(item in closed for item in value))


def _shown(view: View) -> str:
    return "not set" if view.absent else view.text()
