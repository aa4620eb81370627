"""Tables of the load, and the same as plain values."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load.environment import CARE, GATEWAY, MODEL_SERVER, PLANNING, RECORDER
from bench.load.processor_time import OTHERS, SENDER
from bench.load.rows import Measured

POSTGRESQL, ENTRY = "PostgreSQL", "entry"
PROCESSES = (ENTRY, GATEWAY, CARE, PLANNING, MODEL_SERVER, POSTGRESQL, RECORDER, SENDER, OTHERS)
MEDIAN, P99 = 50.0, 99.0


def waits(rows: Sequence[Measured]) -> Table:
    """Return the table of waits, with what was refused, failed or not recorded."""
    table = Table(title="waits, in milliseconds (95 % interval)", title_justify="left")
    table.add_column("what is asked")
    for heading in ("requests/s", "sent", "answered", "refused", "failed", "unrecorded", "p50", "p99", "refused p99"):
        table.add_column(heading, justify="right")
    for row in rows:
        counts = (len(row.all), row.accepted, row.refused, row.failed, len(row.faults))
        refusals = row.refusal_wait(P99)
        table.add_row(
            row.name,
            f"{row.rate:g}",
            *(f"{count:,}" for count in counts),
            *(str(row.wait(percent) or "") for percent in (MEDIAN, P99)),
            "" if refusals is None else f"{refusals:,.1f}",
        )
    return table


def processor_time(rows: Sequence[Measured]) -> Table:
    """Return the table of processor time for each request by process, without what each uses when idle.

    The idle use of few requests may exceed what was used: then there is a zero.
    """
    table = Table(title="processor time for each request, in milliseconds", title_justify="left")
    table.add_column("what is asked")
    for heading in ("requests/s", *PROCESSES, "stopped by limits", "log syncs"):
        table.add_column(heading, justify="right")
    for row in rows:
        each = row.each
        values = [*(each.processor.get(name, 0.0) for name in PROCESSES), sum(each.throttled.values()), each.syncs]
        table.add_row(row.name, f"{row.rate:g}", *(f"{max(0.0, value):,.2f}" for value in values))
    return table


def show(rows: Sequence[Measured]) -> None:
    """Print both tables."""
    console = Console(width=200)
    console.print(waits(rows))
    console.print(processor_time(rows))


def plain(row: Measured) -> dict[str, Any]:
    """Return a row as plain values, for JSON."""
    each = row.each
    cells: dict[str, Any] = {
        "name": row.name,
        "rate": row.rate,
        "seconds": row.seconds,
        "sent": len(row.all),
        "answered": row.accepted,
        "refused": row.refused,
        "failed": row.failed,
        "unrecorded": len(row.faults),
        "processor_milliseconds": {name: round(value, 3) for name, value in each.processor.items()},
        "stopped_milliseconds": {name: round(value, 3) for name, value in each.throttled.items()},
        "log_syncs": round(each.syncs, 3),
        "refused_p99": row.refusal_wait(P99),
    }
    for name, percent in (("p50", MEDIAN), ("p99", P99)):
        wait = row.wait(percent)
        cells[name] = [wait.value, wait.low, wait.high] if wait else None
    return cells
