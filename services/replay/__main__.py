"""``python -m services.replay``: compare a candidate release with what a hospital's releases answered on a day."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from model.artifact.trust import trusted_keys
from model.errors import UserError
from model.io.console import Json
from model.scoring import Scorer
from services.audit.__main__ import audit_connection, main
from services.audit.records import ReleaseRef
from services.audit.replay import open_release, release_folder
from services.replay import day as recorded_day
from services.replay.candidate import Candidate
from services.replay.comparison import compare
from services.replay.report import Report, not_compared

app = typer.Typer(name="replay", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def replay(
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The recorded day.")],
    candidate: Annotated[str, typer.Option(help="Version and digest of the candidate, as v2@0123456789ab.")],
    capacity: Annotated[int, typer.Option(min=1, help="Encounters that the coordinators can follow up in a day.")],
    hospital: Annotated[str, typer.Option(envvar="HOSPITAL", help="The hospital.")],
    folder: Annotated[
        str,
        typer.Option(
            "--releases", envvar="AUDIT_RELEASES", help="Folder of releases, …/readmission: VERSION/DIGEST below it."
        ),
    ],
    time_zone: Annotated[
        str, typer.Option(envvar="HMLOPS_TIME_ZONE", help="Time zone of the hospital, in which a day begins.")
    ] = "UTC",
    out: Annotated[
        Path | None,
        typer.Option(help="File of the whole report; by default replay-CANDIDATE.json.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a recorded day again with a candidate release, and compare scores, ranks and workload.

    AUDIT_DATABASE_FILE names the file of a login of audit-reader; DATABASE_HOST, DATABASE_PORT and DATABASE_CA name
    the server, HMLOPS_TRUSTED_KEYS the keys that sign releases. Nothing is written to a database, and no service is
    called.
    """
    # The candidate first: what may not score patients reads no values of them.
    release = Candidate.open(folder, candidate)
    start, end = recorded_day.bounds(day.date(), _zone(time_zone))

    @cache
    def opened(recorded: ReleaseRef) -> Scorer:
        try:
            return open_release(release_folder(folder, recorded), recorded, trusted_keys())
        except UserError as fault:
            raise UserError(f"A release that answered cannot be opened, so nothing is compared: {fault}") from None

    with audit_connection(hospital, "REPEATABLE READ", read_only=True) as connection:
        on_record = recorded_day.read(connection, start, end, opened, hospital=hospital)
    pairs, reasons = release.scored(on_record.answers)
    report = Report(
        candidate=release.name,
        recorded=tuple(sorted(on_record.releases)),
        reproduced=on_record.reproduced,
        not_compared=not_compared(reasons),
        comparison=compare(pairs, capacity),
    )
    if as_json:
        print(json.dumps(report.as_json()))
        return
    file = out or Path(f"replay-{candidate.replace('@', '-')}.json")
    try:
        file.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    except OSError as fault:
        raise UserError(f"{file} cannot be written ({fault.strerror}); name another file with --out.") from None
    print(f"{report.screen()}\nThe whole report: {file}")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(f"{name} is not a time zone; name one as in America/New_York.") from None


if __name__ == "__main__":
    main(app)
