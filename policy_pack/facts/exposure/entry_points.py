"""Entry points, compared with the table of those that may exist."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from policy_pack.facts.exposure.table import AllowedEntryPoint, Protection, Reach, exposure
from policy_pack.stack.checks import Findings, guarded, violation
from policy_pack.stack.graph import Resource

_CLIENTS = {Reach.CLUSTER: "the cluster", Reach.VPC: "the VPC and linked networks", Reach.INTERNET: "the internet"}
# Between a reason and its place.
PLACE = " @ "
Gaps = Callable[[Protection, AllowedEntryPoint], Iterable[str]]
Excess = Callable[[AllowedEntryPoint], Iterable[str]]


def _no_protection(protection: Protection, _: AllowedEntryPoint) -> Iterator[str]:
    yield f"{protection} cannot be computed for this kind of entry point"


def _nothing(_: AllowedEntryPoint) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class EntryPoint:
    """An entry point, as far as it is computed.

    Parameters
    ----------
    kind
        A kind of the table.
    resource
        The resource that opens it.
    label
        What clients reach, for messages.
    reach
        Where clients can be.
    why
        The property that decides where clients can be; empty where the kind does.
    namespace
        The namespace of the object; empty for what has none.
    property_path
        The property that opens it.
    listener
        The name of a listener; empty for other entry points.
    gaps
        The reasons why a protection is not in effect; none where it is.
    excess
        What it allows beyond a row of the table.
    """

    kind: str
    resource: Resource
    label: str
    reach: Reach
    why: str = ""
    namespace: str = ""
    property_path: str = ""
    listener: str = ""
    gaps: Gaps = _no_protection
    excess: Excess = _nothing

    @property
    def path(self) -> str:
        """The way from the clients to the entry point, for messages."""
        return f"{_CLIENTS[self.reach]} -> {self.label}" + (f" ({self.why})" if self.why else "")


def compared(entry: EntryPoint, control: str) -> Findings:
    """Yield what a control has to say about an entry point: that no row allows it, or what is missing for its row."""
    table = exposure()
    row = table.allowing(entry.kind, entry.namespace, entry.reach, entry.listener)
    owns = table.kinds[entry.kind].control == control
    if row is None:
        if owns:
            yield violation(f"{entry.path} is not an entry point of exposure.yaml", entry.property_path, entry.resource)
        return
    if owns:
        yield from guarded(
            (
                violation(f"{entry.path} {text}", entry.property_path, entry.resource)
                for text in grouped(entry.excess(row))
            ),
            entry.property_path,
            entry.resource,
        )
    for protection in row.requires:
        if table.protections[protection].control == control:
            yield from guarded(_missing(entry, protection, row), entry.property_path, entry.resource)


def _missing(entry: EntryPoint, protection: Protection, row: AllowedEntryPoint) -> Findings:
    for reason in grouped(entry.gaps(protection, row)):
        yield violation(f"{entry.path} lacks {protection}: {reason}", entry.property_path, entry.resource)


def grouped(reasons: Iterable[str]) -> Iterator[str]:
    """Yield each reason once, with its places at its end; a reason has the form ``text`` or ``text @ place``."""
    places: dict[str, list[str]] = {}
    for reason in reasons:
        text, _, place = reason.partition(PLACE)
        places.setdefault(text, []).extend([place] if place else [])
    for text, found in places.items():
        yield f"{text} ({', '.join(dict.fromkeys(found))})" if found else text
