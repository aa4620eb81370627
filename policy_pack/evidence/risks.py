"""The risk assessment, filled with what the stack knows: what stands against each risk, and what is not said yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from policy_pack.evidence.control_report import Control, Standing

TABLE = Path(__file__).with_name("risks.yaml")
_ORDER = ("critical", "high", "medium", "low")
_OPEN = (Standing.REFUSED, Standing.ADVISED, Standing.LATER)


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Known:
    """A risk as the table has it."""

    id: str
    risk: str
    harm: str
    controls: tuple[str, ...]
    asks: str


@dataclass(frozen=True)
class Risk:
    """A risk of this stack.

    Parameters
    ----------
    id, risk, harm, asks
        The row of the risk, and what only the hospital can say.
    weight
        The severity of the worst control that stands against it.
    held, open, exempt, declared, absent
        Its controls by how they stand.
    says
        What follows, in a sentence.
    """

    id: str
    risk: str
    harm: str
    weight: str
    held: tuple[str, ...]
    open: tuple[str, ...]
    exempt: tuple[str, ...]
    declared: tuple[str, ...]
    absent: tuple[str, ...]
    says: str
    asks: str


@cache
def known() -> tuple[Known, ...]:
    """Return the table of risks."""
    return TypeAdapter(tuple[Known, ...]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def risks(reported: Sequence[Control]) -> list[Risk]:
    """Return every risk with the controls against it."""
    by_id = {control.id: control for control in reported}
    return [_risk(row, [by_id[name] for name in row.controls]) for row in known()]


def _risk(row: Known, against: Sequence[Control]) -> Risk:
    def standing(*wanted: Standing) -> tuple[str, ...]:
        return tuple(control.id for control in against if control.standing in wanted)

    still = standing(*_OPEN)
    exempt, declared = standing(Standing.EXEMPT), standing(Standing.DECLARED)
    if still:
        says = f"Open: {', '.join(still)} must be mended before this risk is treated."
    elif exempt:
        says = f"Accepted in part: {', '.join(exempt)} is exempt; see the owner and the day on which that ends."
    elif declared:
        says = f"Treated by the stack; {', '.join(declared)} needs proof by people."
    else:
        says = "Treated by the stack."
    return Risk(
        id=row.id,
        risk=row.risk,
        harm=row.harm,
        weight=min((control.severity for control in against), key=_ORDER.index),
        held=standing(Standing.HELD),
        open=still,
        exempt=exempt,
        declared=declared,
        absent=standing(Standing.ABSENT, Standing.OFF),
        says=says,
        asks=row.asks,
    )
