"""Paged search, for a server without export: each needed type, some pages to a file."""

import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlencode, urljoin

import httpx

from model.errors import UserError
from model.fhir_server.download import GONE, GoneError, packed
from model.fhir_server.export import FHIR_JSON
from model.fhir_server.increment import repeated
from model.fhir_server.landing import Landing, Run, file_name, kind_of
from model.fhir_server.wire import PassingError, Wire, origin
from model.io.console import progress
from model.io.json_elements import Resource

PAGE = 500
RESOURCES_A_FILE = 5000
# What a server stores while it answers may bear a moment just before that of the answer.
OVERLAP = timedelta(minutes=5)
# A page that shifts while we read repeats resources of the page before.
REMEMBERED = 50_000


def fetch(wire: Wire, run: Run, landing: Landing, landed: Callable[[], None]) -> None:
    """Bring every needed type; ``landed`` is called after each file, and a later call goes on after it.

    Raises
    ------
    GoneError
        When the server no longer knows the page that it named as the next.
    """
    for kind in wire.kinds:
        first = _first(wire, kind, run.since)
        link = run.links.get(kind, first)
        with progress(kind) as advance:
            sequence = sum(kind_of(name) == kind for name in run.files)
            pages = _Pages(wire, kind, run, first)
            while link:
                sequence += 1
                name = file_name(run.number, kind, sequence)
                with landing.scratch() as path:
                    count, link = pages.into(path, link)
                    if count:
                        if run.since:
                            run.repeated += repeated(path, run.since)
                        landing.put(name, path)
                        run.files[name] = count
                run.links[kind] = link
                landed()
                advance(count)


class _Pages:
    """The pages of one type."""

    def __init__(self, wire: Wire, kind: str, run: Run, first: str) -> None:
        self._wire = wire
        self._kind = kind
        self._run = run
        self._first = first
        self._seen: set[str] = set()
        self._recent: deque[str] = deque()
        self._followed: set[str] = set()

    def into(self, path: Path, link: str) -> tuple[int, str | None]:
        """Write some pages to a file; return the number of their resources and the address of the next page."""
        count = 0
        following: str | None = link
        with packed(path) as file:
            while following and count < RESOURCES_A_FILE:
                if following in self._followed:
                    raise UserError(
                        f"The FHIR server {origin(self._wire.base)} links the pages of {self._kind} in a circle; "
                        "ask the hospital to correct its search."
                    )
                self._followed.add(following)
                page, following = self._page(following)
                for resource in page:
                    if self._is_new(resource):
                        file.write(json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                        count += 1
        return count, following

    def _page(self, url: str) -> tuple[list[Resource], str | None]:
        what = f"a page of the {self._kind} search"

        def once() -> tuple[httpx.Response, Resource]:
            answer = self._wire.ask("GET", url, what, headers={"Accept": FHIR_JSON}, accepted=GONE)
            if answer.status_code in GONE:
                if url == self._first:
                    raise UserError(
                        f"The FHIR server {origin(self._wire.base)} does not offer a search of {self._kind} "
                        f"({answer.status_code}); ask the hospital for it, or use --mode export."
                    )
                raise GoneError(what)
            try:
                bundle = answer.json()
            except (ValueError, RecursionError):
                raise PassingError("sent no JSON") from None
            if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
                raise PassingError("sent no Bundle")
            return answer, bundle

        answer, bundle = self._wire.patiently(what, once)
        if self._run.until is None:
            self._run.until = _moment(answer, self._wire.clock.now())
        entries = bundle.get("entry") or []
        resources = (entry.get("resource") for entry in entries if isinstance(entry, dict))
        # Among the matches a server may put an OperationOutcome of warnings.
        page = [
            resource
            for resource in resources
            if isinstance(resource, dict) and resource.get("resourceType") == self._kind
        ]
        links = [link for link in bundle.get("link") or [] if isinstance(link, dict)]
        following = next((str(link.get("url")) for link in links if link.get("relation") == "next"), None)
        return page, urljoin(url, following) if following else None

    def _is_new(self, resource: Resource) -> bool:
        meta = resource.get("meta")
        version = (meta.get("versionId"), meta.get("lastUpdated")) if isinstance(meta, dict) else None
        key = f"{resource.get('id')} {version}"
        if key in self._seen:
            return False
        self._seen.add(key)
        self._recent.append(key)
        if len(self._recent) > REMEMBERED:
            self._seen.discard(self._recent.popleft())
        return True


def _first(wire: Wire, kind: str, since: str | None) -> str:
    asked = {"_count": str(PAGE)} | ({"_lastUpdated": f"ge{since}"} if since else {})
    return f"{wire.base}/{kind}?{urlencode(asked)}"


def _moment(answer: httpx.Response, now: float) -> str:
    """Return the server's moment of an answer, some minutes early."""
    try:
        moment = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        moment = datetime.fromtimestamp(now, UTC)
    return f"{moment.astimezone(UTC) - OVERLAP:%Y-%m-%dT%H:%M:%SZ}"
