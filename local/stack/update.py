"""Update by the Pulumi CLI: its output in a log file, a summary line, and the errors."""

import json
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import UserError
from local.progress import Progress

EVENTS_SECONDS = 0.3
MOST_ERRORS = 10
MOST_LINES = 4
_COLOUR = re.compile(r"<\{%.*?%\}>")
_EXEMPT = re.compile(r"(\d+) findings? on .* - exempt until ")
_DONE = {
    "create": "created",
    "import": "imported",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "discard": "forgotten",
    "same": "unchanged",
}
# Errors of the engine that only refer to other errors.
_FOLLOWING = ("update failed", "preview failed", "resource had errors")


@dataclass
class Events:
    """Events of an update from the engine (``--event-log``)."""

    done: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    errors: dict[str, None] = field(default_factory=dict)
    exempt: set[tuple[str, str]] = field(default_factory=set)
    advisory: set[tuple[str, str]] = field(default_factory=set)

    def take(self, line: str) -> None:
        """Process one event; a line that is not an event is ignored."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        if "resOutputsEvent" in event:
            self.done += 1
        elif "diagnosticEvent" in event:
            self._diagnostic(event["diagnosticEvent"])
        elif "policyEvent" in event:
            self._policy(event["policyEvent"])
        elif "summaryEvent" in event:
            self.changes = Counter(event["summaryEvent"].get("resourceChanges") or {})

    def _diagnostic(self, event: Mapping[str, str]) -> None:
        text = _plain(event.get("message", ""))
        if event.get("severity") == "error" and not text.startswith(_FOLLOWING):
            self.errors[_of(event.get("urn", ""), text)] = None

    def _policy(self, event: Mapping[str, str]) -> None:
        text = _plain(event.get("message", ""))
        if event.get("enforcementLevel") == "mandatory":
            self.errors[_of(event.get("resourceUrn", ""), f"{event.get('policyName')} {text}")] = None
        else:
            (self.exempt if _EXEMPT.search(text) else self.advisory).add((event.get("policyName", ""), text))

    @property
    def changed(self) -> str:
        """Summary of the resource changes."""
        counts = [f"{self.changes[op]:,} {word}" for op, word in _DONE.items() if self.changes[op]]
        return ", ".join(counts) or "nothing declared"

    @property
    def judged(self) -> str:
        """Summary of the policy pack's findings; exempt ones are one event for each exemption."""
        counts = [int(match[1]) for _, text in self.exempt if (match := _EXEMPT.search(text))]
        exempt = f"{sum(counts)} exempt by {len(counts)} exemptions" if counts else "none exempt"
        return f"policy pack: {len(self.advisory)} advisory, {exempt}, none refused"

    @property
    def findings(self) -> str:
        """All findings of the policy pack that stop nothing, as text: advisory ones first."""
        return "".join(
            f"{status} {control} {text}\n\n"
            for status, findings in (("advisory", self.advisory), ("exempt", self.exempt))
            for control, text in sorted(findings)
        )


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    variables: Mapping[str, str],
    log: Path,
    events: Path,
    tell: Progress,
    name: str,
) -> Events:
    """Run an update and return its events.

    Parameters
    ----------
    command
        The update; ``--event-log`` is added to it.
    cwd, variables
        Where and in which environment it runs.
    log
        File for the engine's complete output.
    events
        File for its events, which is deleted afterwards.
    tell
        Function that shows the progress.
    name
        Name of what is updated.

    Raises
    ------
    UserError
        When it fails, with the engine's own errors.
    """
    events.unlink(missing_ok=True)
    read_events, ended = Events(), threading.Event()
    # The option is intended for tools that follow an update, such as Pulumi's Automation API.
    debugging = {**variables, "PULUMI_DEBUG_COMMANDS": "true"}
    tell(name)
    reader = threading.Thread(target=_follow, args=(events, read_events, ended, tell, name), daemon=True)
    with log.open("w", encoding="utf-8") as stream:
        log.chmod(0o600)
        engine = subprocess.Popen(
            [*command, "--color", "never", "--event-log", str(events)],
            cwd=cwd,
            env=debugging,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        reader.start()
        try:
            code = _ended(engine, tell)
        finally:
            ended.set()
            reader.join()
            events.unlink(missing_ok=True)
    if code != 0:
        raise UserError(failure(read_events, log))
    return read_events


def failure(events: Events, log: Path) -> str:
    """Return the errors of an update, and the path of its log."""
    errors = list(events.errors) or _said(log)
    shown = [line for error in errors[:MOST_ERRORS] for line in _indented(error)]
    more = [f"  and {len(errors) - MOST_ERRORS} more"] if len(errors) > MOST_ERRORS else []
    return "\n".join(["`pulumi up` did not finish:", *shown, *more, f"All of its output is in {log}."])


def _ended(engine: "subprocess.Popen[bytes]", tell: Progress) -> int:
    """Wait for the engine; it also receives an interrupt, and then completes the operations in progress."""
    try:
        return engine.wait()
    except KeyboardInterrupt:
        tell("interrupted: the engine completes operations in progress; press again to stop it immediately")
        try:
            engine.wait()
        except KeyboardInterrupt:
            engine.kill()
            engine.wait()
        raise


def _follow(file: Path, events: Events, ended: threading.Event, tell: Progress, name: str) -> None:
    """Read events as they arrive, until the last one."""
    rest, place = "", 0
    while True:
        last = ended.wait(EVENTS_SECONDS)
        if file.exists():
            with file.open(encoding="utf-8", errors="replace") as stream:
                stream.seek(place)
                rest += stream.read()
                place = stream.tell()
        *lines, rest = rest.split("\n")
        for line in lines:
            events.take(line)
        if last:
            return
        if lines:
            tell.count(f"{name}: {events.done:,} resources")


def _said(log: Path) -> list[str]:
    """Return errors that the engine only prints, such as that another update has locked the stack."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    first = next((place for place, line in enumerate(lines) if line.startswith("error:")), max(0, len(lines) - 3))
    return ["\n".join(lines[first:]).removeprefix("error: ")] if lines[first:] else ["the engine said nothing"]


def _of(urn: str, text: str) -> str:
    """Return an error with its resource."""
    kind, _, name = urn.rpartition("::")
    what = f"{name} ({kind.rpartition('::')[2].rpartition('$')[2]})" if name else ""
    return f"{what}: {text}" if what and not what.endswith("(pulumi:pulumi:Stack)") else text


def _plain(text: str) -> str:
    return _COLOUR.sub("", text).strip()


def _indented(error: str) -> list[str]:
    """Return the relevant lines of an error: for a stack trace, the last one."""
    lines = [line.rstrip() for line in error.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        lines = [lines[0], *lines[-2:]]
    kept = lines[:MOST_LINES]
    return [f"  {kept[0]}", *(f"    {line.strip()}" for line in kept[1:])] if kept else []
