"""Run against a FHIR server: resumed, incremental or full."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

from model.errors import UserError
from model.fhir_server import export, search
from model.fhir_server.capabilities import SYSTEM, capabilities, operations
from model.fhir_server.credentials import Credentials
from model.fhir_server.download import GoneError
from model.fhir_server.increment import MOST_REPEATED, RepeatedError
from model.fhir_server.landed import Landed
from model.fhir_server.landing import Landing, Run, State, kind_of
from model.fhir_server.tokens import bearer
from model.fhir_server.wire import Clock, RefusedError, Wire, origin
from model.io.console import warn

FULL_DAYS = 14
STARTS = 2
_DAY = 86400.0
_LISTED = "listed by the server"
_REMOVED = "everything was fetched; what the server no longer has is removed"


class Mode(StrEnum):
    """Retrieval mode; AUTO uses Bulk Data export where the server declares it."""

    AUTO = "auto"
    EXPORT = "export"
    SEARCH = "search"


def land(
    source: str,
    landing: str,
    *,
    credentials: Credentials,
    mode: Mode = Mode.AUTO,
    group: str | None = None,
    full_days: int = FULL_DAYS,
    clock: Clock | None = None,
) -> Landed:
    """Bring a server's records of the needed types to a landing place.

    A run that was interrupted goes on where it stopped. A later run asks only for what changed, save that after
    ``full_days`` it asks for everything and removes what landed before: so a landing place stays whole though its
    files are kept for a limited time, and deletions that a search cannot show come to light.

    Parameters
    ----------
    source : str
        The https:// base of a FHIR R4 server.
    landing : str
        Folder or S3 prefix, used for this source alone.
    credentials : Credentials
        Who we are for the server.
    mode : Mode
        Bulk Data export or paged search.
    group : str, optional
        Export only the members of this Group.
    full_days : int
        How long to ask for changes only; 0 for everything at every run.
    clock : Clock, optional
        The time; the machine's own unless given.

    Returns
    -------
    Landed
        What was brought.

    Raises
    ------
    UserError
        If the server refuses, cannot be reached, or returns records that cannot be relied on.

    Examples
    --------
    >>> from model.fhir_server import land
    >>> from model.fhir_server.credentials import Credentials
    >>> land("http://fhir.north.example/r4", "landing", credentials=Credentials())
    Traceback (most recent call last):
    model.errors.UserError: A FHIR server is named by its https:// base alone, such as https://fhir.north.example/r4.
    """
    base = _base(source)
    place = Landing(landing)
    state = place.state() or State(source=base, group=group)
    if (state.source, state.group) != (base, group):
        if state.files or (state.run and state.run.files):
            raise UserError(f"{landing} holds what was fetched from another server or group; choose another --landing.")
        # A mistyped name brought nothing, and does not claim the place.
        state = State(source=base, group=group)
    wire = Wire(base, credentials, clock or Clock())
    try:
        wire.bearer = bearer(wire, credentials)
        return _Work(wire, place, state, full_days).bring(mode)
    finally:
        wire.close()


class _Work:
    """One run's way from the first question to the last file."""

    def __init__(self, wire: Wire, place: Landing, state: State, full_days: int) -> None:
        self._wire = wire
        self._place = place
        self._state = state
        self._full_days = full_days

    def bring(self, mode: Mode) -> Landed:
        """Do the run."""
        self._tidy()
        paths = _paths(self._wire, mode, self._state.group)
        way = Mode.EXPORT if paths else Mode.SEARCH
        run = self._state.run
        if run is not None and (run.abandoned or run.mode != way):
            self._abandon(run)
        resumed = self._state.run is not None
        starts = 0
        while starts < STARTS:
            run = self._state.run or self._begin(way)
            try:
                self._fetch(run, paths)
                # Again, for a kill may have come between the last file and the answer to it.
                self._require_news(run)
            except RepeatedError:
                # The next one asks for everything, so this happens once.
                self._ask_for_everything(run)
            except GoneError:
                self._abandon(run)
                starts += 1
            else:
                return self._end(run, resumed)
            resumed = False
        raise UserError(
            f"The FHIR server {origin(self._wire.base)} expires an export or search before it is downloaded; "
            "ask the hospital to keep it longer."
        )

    def _begin(self, mode: Mode) -> Run:
        state, now = self._state, self._wire.clock.now()
        increment = now < self._next_full() and now - state.since_ignored_at >= self._full_days * _DAY
        state.number += 1
        state.run = Run(number=state.number, mode=mode, began=now, since=state.until if increment else None)
        self._save()
        return state.run

    def _next_full(self) -> float:
        return self._state.full_at + self._full_days * _DAY

    def _fetch(self, run: Run, paths: tuple[str, ...]) -> None:
        def landed() -> None:
            self._save()
            self._require_news(run)

        if not paths:
            search.fetch(self._wire, run, self._place, landed)
            return
        if run.status_url is None:
            run.status_url = self._kick_off(paths, run.since)
            self._save()
        try:
            manifest = export.wait(self._wire, run.status_url, run.began)
        except (export.ExportError, KeyboardInterrupt):
            export.forget(self._wire, run.status_url)
            self._abandon(run)
            raise
        if run.until not in (None, manifest.transaction_time):
            raise GoneError("the export")
        run.until = manifest.transaction_time
        self._save()
        export.fetch(self._wire, manifest, run, self._place, landed)

    def _require_news(self, run: Run) -> None:
        if run.repeated > MOST_REPEATED * self._state.full_resources:
            raise RepeatedError

    def _kick_off(self, paths: tuple[str, ...], since: str | None) -> str:
        """Start an export; servers that ignore the moment for patients may honour it for the whole system."""
        if since and paths[0] != SYSTEM and SYSTEM in paths:
            with suppress(RefusedError):
                return export.kick_off(self._wire, SYSTEM, since)
        return export.kick_off(self._wire, paths[0], since)

    def _end(self, run: Run, resumed: bool) -> Landed:
        state = self._state
        counts: Counter[str] = Counter()
        for name, count in run.files.items():
            counts[kind_of(name)] += count
        if run.since is None:
            self._replace(run, sum(counts[kind] for kind in self._wire.kinds))
        state.files += list(run.files)
        state.until = run.until
        state.run = None
        state.leftover = run.status_url
        self._save()
        self._tidy()
        if counts[export.ERRORS]:
            warn(f"the server could not export everything; its {counts[export.ERRORS]} reasons are in --landing")
        return Landed(
            place=self._place.place,
            run=run.number,
            mode=run.mode,
            resumed=resumed,
            since=run.since,
            until=run.until,
            files=len(run.files),
            resources={kind: counts[kind] for kind in self._wire.kinds},
            deletions=counts[export.DELETED],
            deletions_found=self._deletions_found(run, counts[export.DELETED]),
            errors=counts[export.ERRORS],
        )

    def _replace(self, run: Run, resources: int) -> None:
        """Remove what landed before a run that brought everything."""
        state = self._state
        if not resources:
            self._abandon(run)
            group = f" of the Group {state.group}" if state.group else ""
            raise UserError(
                f"The FHIR server {origin(self._wire.base)} has no {', '.join(self._wire.kinds)}{group} for this "
                f"client; check what the hospital lets it read{' and --group' if group else ''}."
            )
        # This comes before the state, so that a kill here lets the next run do it again.
        for name in state.files:
            self._place.drop(name)
        state.files = []
        state.full_at = self._wire.clock.now()
        state.full_resources = resources

    def _deletions_found(self, run: Run, listed: int) -> str:
        if run.since is None:
            return _REMOVED
        if listed:
            return _LISTED
        day = datetime.fromtimestamp(self._next_full(), UTC).date()
        return f"not listed by the server; found at the next full run on {day}"

    def _ask_for_everything(self, run: Run) -> None:
        """Give an increment up that brings what has landed already, and ask for no other for a while."""
        warn(
            f"the FHIR server {origin(self._wire.base)} ignores the moment since which changes are asked for; "
            "everything is fetched, and replaces what landed before"
        )
        self._state.since_ignored_at = self._wire.clock.now()
        self._state.leftover = run.status_url
        self._abandon(run)
        self._tidy()

    def _abandon(self, run: Run) -> None:
        """Give a run up with all that it brought, for another one will bring it again."""
        # A kill between two removals must not leave a run that seems to hold what is gone.
        run.abandoned = True
        self._save()
        for name in run.files:
            self._place.drop(name)
        self._state.run = None
        self._save()

    def _tidy(self) -> None:
        """Let the server forget an export that has ended."""
        if self._state.leftover and export.forget(self._wire, self._state.leftover):
            self._state.leftover = None
            self._save()

    def _save(self) -> None:
        self._place.save(self._state)


def _base(source: str) -> str:
    parts = urlsplit(source)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise UserError("A FHIR server is named by its https:// base alone, such as https://fhir.north.example/r4.")
    return source.rstrip("/")


def _paths(wire: Wire, mode: Mode, group: str | None) -> tuple[str, ...]:
    """Return the export operations that can be used, the usual one first; none for a search."""
    statement = capabilities(wire)
    if mode is Mode.SEARCH:
        if group:
            raise UserError("A search cannot be limited to a group; leave out --group or --mode search.")
        return ()
    return operations(wire, statement, group) or ((SYSTEM,) if mode is Mode.EXPORT else ())
