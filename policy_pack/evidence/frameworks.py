"""Requirements of NIST SP 800-53, HITRUST and SOC 2 that each control serves (``frameworks.yaml``)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

TABLE = Path(__file__).with_name("frameworks.yaml")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Requirements:
    """The ids of requirements that some controls serve."""

    controls: tuple[str, ...] = ()
    nist: tuple[str, ...] = ()
    hitrust: tuple[str, ...] = ()
    soc2: tuple[str, ...] = ()


@cache
def frameworks() -> Mapping[str, Requirements]:
    """Return the requirements by control."""
    rows = tables.read(TypeAdapter(tuple[Requirements, ...]).validate_python, TABLE)
    return {control: row for row in rows for control in row.controls}


def requirements(control: str) -> Requirements:
    """Return the requirements that a control serves; none where it is not in the table."""
    return frameworks().get(control, Requirements())
