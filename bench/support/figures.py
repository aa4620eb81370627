"""Output of a benchmark: a table for people, one JSON object for programs."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")]


@dataclass(frozen=True)
class Figure:
    """One measured value with its goal, if any."""

    name: str
    value: float
    unit: str = ""
    goal: str = ""
    met: bool | None = None


def at_least(name: str, value: float, goal: float, unit: str = "") -> Figure:
    """Return a figure with a lower bound as its goal."""
    return Figure(name, value, unit, f"at least {goal:g}", value >= goal)


def at_most(name: str, value: float, goal: float, unit: str = "") -> Figure:
    """Return a figure with an upper bound as its goal."""
    return Figure(name, value, unit, f"at most {goal:g}", value <= goal)


def show(title: str, figures: list[Figure], *, as_json: bool, about: dict[str, Any] | None = None) -> None:
    """Print the figures; ``about`` describes the data and the clock."""
    if as_json:
        print(json.dumps({"bench": title, **(about or {}), "figures": [asdict(f) for f in figures]}, sort_keys=True))
        return
    scalars = {name: value for name, value in (about or {}).items() if isinstance(value, str | int | float)}
    caption = ", ".join(f"{name} {value}" for name, value in scalars.items())
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for heading in ("figure", "value", "unit", "goal", "met"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for figure in figures:
        met = "" if figure.met is None else ("yes" if figure.met else "no")
        table.add_row(figure.name, f"{figure.value:,.4g}", figure.unit, figure.goal, met)
    Console().print(table)
