"""Patient merges (``Patient.link``): the surviving Patient of each replaced one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from model.fhir.conditional import UNCLEAR
from model.fhir.references import References
from model.io.json_elements import Resource

Order = tuple[int, int, int]
"""The place of a version among those of one record: time of the change, version number, order of reading."""


@dataclass(frozen=True)
class Link:
    """A patient merge."""

    replaced: str
    survivor: str


def links_of(patient: Resource, references: References) -> Iterator[Link]:
    """Give the merges that a Patient states; ``seealso`` and ``refer`` are none."""
    listed = patient.get("link")
    for link in listed if isinstance(listed, list) else ():
        kind = link.get("type") if isinstance(link, dict) else None
        if kind not in {"replaced-by", "replaces"}:
            continue
        other = references.referred(link.get("other"), "Patient") or UNCLEAR
        itself = str(patient["id"])
        yield Link(itself, other) if kind == "replaced-by" else Link(other, itself)


@dataclass
class Merges:
    """The merges that the newest version of each Patient states."""

    _newest: dict[str, tuple[Order, tuple[Link, ...]]] = field(default_factory=dict)

    def note(self, patient: str, order: Order, links: tuple[Link, ...]) -> None:
        """Note what one version of a Patient states."""
        newest = self._newest.get(patient)
        if newest is None or newest[0] <= order:
            self._newest[patient] = (order, links)

    def survivors(self) -> dict[str, str]:
        """Return the surviving patient of each replaced one.

        ``UNCLEAR`` where merges form a circle, or lead to more than one patient.
        """
        onward: dict[str, set[str]] = {}
        for _, links in self._newest.values():
            for link in links:
                if link.replaced != UNCLEAR:
                    onward.setdefault(link.replaced, set()).add(link.survivor)
        return {patient: _end(patient, onward) for patient in onward}


def _end(start: str, onward: Mapping[str, set[str]]) -> str:
    """Return where all ways from a patient end; ``UNCLEAR`` when they end nowhere or in several."""
    ends: set[str] = set()
    path, waiting = [start], [iter(onward[start])]
    while waiting:
        following = next(waiting[-1], None)
        if following is None:
            waiting.pop()
            path.pop()
        elif following in path:
            return UNCLEAR
        elif following in onward:
            path.append(following)
            waiting.append(iter(onward[following]))
        else:
            ends.add(following)
    return ends.pop() if len(ends) == 1 else UNCLEAR
