"""Plots of measured curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer

mpl.use("Agg")

from matplotlib import pyplot

Png = Annotated[Path | None, typer.Option("--png", help="Write a plot of the curve to this file.")]
Points = Sequence[tuple[float, float]]


def draw(path: Path, title: str, across: str, up: str, lines: Mapping[str, Points]) -> None:
    """Plot lines of measured points.

    Parameters
    ----------
    path
        The PNG file.
    title, across, up
        What the picture and its axes show, with units.
    lines
        By name, the points of each line.
    """
    figure: Any
    axes: Any
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(title=title, xlabel=across, ylabel=up, xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
