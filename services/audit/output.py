"""Output of the commands, one JSON object for programs or a table for people; and the times that they read."""

import json
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from services.audit.errors import AuditError
from services.audit.records import timestamp


def moment_of(text: str) -> datetime:
    """Return a time that a person wrote; without a zone it is in UTC, and an empty one is now."""
    if not text:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AuditError(f"{text} is not a time; write 2026-11-03 or 2026-11-03T09:30:00+01:00.") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def print_json(values: dict[str, object]) -> None:
    """Print one JSON object."""
    print(json.dumps(values, sort_keys=True, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    return timestamp(value) if isinstance(value, datetime) else sorted(value) if isinstance(value, set) else str(value)


def print_rows(rows: list[dict[str, object]], columns: tuple[str, ...], name: str, *, as_json: bool) -> None:
    """Print rows as one JSON object, or as a table for a person."""
    if as_json:
        print_json({name: rows})
        return
    table = Table(*(column.replace("_", " ") for column in columns))
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console().print(table if rows else f"No {name}.", markup=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return str(value)
