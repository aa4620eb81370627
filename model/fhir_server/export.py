"""Bulk Data export (IG 2): kick-off, status polling, download and deletion."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx
from pydantic import BaseModel, Field, ValidationError

from model.errors import UserError
from model.fhir.resource_types import ACCEPTED
from model.fhir_server.download import GONE, GoneError, download
from model.fhir_server.increment import repeated
from model.fhir_server.landing import Landing, Run, file_name, kind_of
from model.fhir_server.wire import LONGEST_ASKED_PAUSE, Wire, issue_codes, origin, retry_after
from model.io.console import progress

FHIR_JSON = "application/fhir+json"
NDJSON = "application/fhir+ndjson"
DELETED = "deleted"
ERRORS = "errors"
LONGEST_POLL = 60.0
FAILURES = 6
LONGEST_EXPORT = 86400.0
_INSTANT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"
_GROUP = re.compile(r"Group/([^/]+)/\$export")
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?\s*%")


class ExportError(UserError):
    """The server tried to export and failed."""


class File(BaseModel):
    """An export file."""

    type: str
    url: str
    count: int | None = Field(default=None, ge=0)


class Manifest(BaseModel):
    """Export manifest (Bulk Data IG), as far as needed."""

    transaction_time: str = Field(alias="transactionTime", pattern=_INSTANT)
    requires_access_token: bool = Field(alias="requiresAccessToken")
    output: list[File]
    error: list[File] = []
    deleted: list[File] = []


@dataclass(frozen=True)
class Output:
    """A file that an export offers and the name under which it lands."""

    name: str
    url: str
    count: int | None


def kick_off(wire: Wire, path: str, since: str | None) -> str:
    """Ask for an export and return where to ask after it.

    Parameters
    ----------
    wire : Wire
        The connections to the server.
    path : str
        The operation below the base: ``$export``, ``Patient/$export`` or ``Group/ID/$export``.
    since : str, optional
        Only what changed after this moment of the server.

    Raises
    ------
    RefusedError
        When the server does not offer this export to this client.
    UserError
        When it starts none.
    """
    asked = {"_type": ",".join(wire.kinds), "_outputFormat": NDJSON} | ({"_since": since} if since else {})
    headers = {"Accept": FHIR_JSON, "Prefer": "respond-async"}
    answer = wire.ask(
        "GET", f"{wire.base}/{path}", "the start of an export", headers=headers, params=asked, advice=_advice(path)
    )
    where: str | None = answer.headers.get("Content-Location")
    if answer.status_code != 202 or not where:
        raise UserError(
            f"The FHIR server {origin(wire.base)} did not start an export ({answer.status_code}, "
            f"{'an' if where else 'no'} address to ask after it); use --mode search."
        )
    return urljoin(f"{wire.base}/", where)


def _advice(path: str) -> dict[int, str]:
    """Return what to do where the server, which answered at its base, has no such export."""
    named = _GROUP.fullmatch(path)
    group = f"check --group: there is no Group {named[1]} that this client may export" if named else None
    return dict.fromkeys((404, 405, 410, 501), group or "use --mode search")


def wait(wire: Wire, status_url: str, began: float) -> Manifest:
    """Ask after an export until it is ready, as often as the server wants, and return its manifest.

    Parameters
    ----------
    wire : Wire
        The connections to the server.
    status_url : str
        Where to ask.
    began : float
        When the export was asked for, in seconds since 1970.

    Raises
    ------
    GoneError
        When the server no longer knows the export.
    ExportError
        When the export failed, or is not ready after a day.
    """
    with progress("export", 100) as advance:
        shown, pause, failures = 0, 1.0, 0
        while True:
            answer = wire.ask(
                "GET",
                status_url,
                "the status of the export",
                headers={"Accept": "application/json"},
                accepted=GONE | {429, 500},
            )
            if answer.status_code in GONE:
                raise GoneError("the export")
            if answer.status_code == 200:
                return _manifest(wire, answer)
            if answer.status_code == 500:
                failures += 1
                _fail_unless_passing(wire, answer, failures)
            percent = _percent(answer)
            advance(max(0, percent - shown))
            shown = max(shown, percent)
            if wire.clock.now() - began > LONGEST_EXPORT:
                raise ExportError(
                    f"The FHIR server {origin(wire.base)} has not finished an export in a day; run again to start over."
                )
            asked = retry_after(answer, wire.clock)
            wire.clock.sleep(pause if asked is None else min(asked, LONGEST_ASKED_PAUSE))
            pause = min(LONGEST_POLL, pause * 2)


def outputs(manifest: Manifest, number: int) -> Iterator[Output]:
    """Give the files to fetch: those of the needed types, then deletions, then errors."""
    groups = [(kind, [file for file in manifest.output if file.type == kind]) for kind in ACCEPTED]
    groups += [(DELETED, manifest.deleted), (ERRORS, manifest.error)]
    for kind, files in groups:
        for sequence, file in enumerate(files, 1):
            yield Output(file_name(number, kind, sequence), file.url, file.count)


def fetch(wire: Wire, manifest: Manifest, run: Run, landing: Landing, landed: Callable[[], None]) -> None:
    """Bring the files of an export that have not landed yet; ``landed`` is called after each."""
    wanted = [output for output in outputs(manifest, run.number) if output.name not in run.files]
    with progress("files", len(wanted)) as advance:
        for output in wanted:
            what = f"file {output.name} of the export"
            with landing.scratch() as path:
                count = download(
                    wire,
                    urljoin(f"{wire.base}/", output.url),
                    path,
                    what,
                    with_token=manifest.requires_access_token,
                    expected=output.count,
                )
                if run.since and kind_of(output.name) in ACCEPTED:
                    run.repeated += repeated(path, run.since)
                landing.put(output.name, path)
            run.files[output.name] = count
            landed()
            advance(1)


def forget(wire: Wire, status_url: str) -> bool:
    """Tell the server that an export is no longer needed, ready or not; say whether it heard."""
    try:
        wire.ask(
            "DELETE",
            status_url,
            "the end of the export",
            headers={"Accept": FHIR_JSON},
            accepted=GONE | {400, 405, 409, 501},
        )
    except UserError:
        return False
    return True


def _manifest(wire: Wire, answer: httpx.Response) -> Manifest:
    try:
        return Manifest.model_validate(answer.json())
    except (ValidationError, ValueError):
        raise UserError(
            f"The FHIR server {origin(wire.base)} gave an export manifest that cannot be read; use --mode search."
        ) from None


def _fail_unless_passing(wire: Wire, answer: httpx.Response, failures: int) -> None:
    """Raise when an export has failed: the server says so, or says nothing else for long."""
    codes = issue_codes(answer)
    if (codes and "transient" not in codes) or failures >= FAILURES:
        raise ExportError(
            f"The FHIR server {origin(wire.base)} failed to export{codes}; ask the hospital for the cause."
        )


def _percent(answer: httpx.Response) -> int:
    """Return the share that is done; the server's own words are free text and are not shown."""
    percentage = _PERCENT.search(answer.headers.get("X-Progress", ""))
    return min(100, int(percentage[1])) if percentage else 0
