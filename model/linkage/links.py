"""Links between resources of different files: merges, identifiers that stand for ids, and drugs.

Most sources need none of it and are read once. When a resource is met that does, the files which may say more are
read first (``first_pass``), and the run begins again with what they say.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from model.deid.rules import AllowList
from model.deid.subject import moment_of
from model.fhir import sources
from model.fhir.bundles import Item
from model.fhir.conditional import DERIVED, UNCLEAR, by_identifier, identities
from model.fhir.medications import Drugs
from model.fhir.parsing import UnreadableError
from model.fhir.references import References
from model.fhir.resource_types import ACCEPTED, resource_types
from model.fhir.streams import Unpacked
from model.io import storage
from model.io.json_elements import Resource
from model.io.stored import Stored
from model.linkage.identifiers import Identifiers
from model.linkage.merges import Merges, links_of

REFERRED = {
    **{row.owner: "Patient" for row in resource_types().values() if row.owner},
    "encounter": "Encounter",
    "medicationReference": "Medication",
}
"""The elements whose references are followed, and the type that each means."""
KINDS = (*ACCEPTED, "Medication")

_CHUNK = 1024 * 1024
# What stands in each file that asks something of another one, or tells which drug a Medication is.
_CONNECTING = re.compile(
    rb'"replaced-by"|"replaces"|identifier=|ifNoneExist|"Medication"|"identifier"\s{0,9}:\s{0,9}\{'
)
_PATIENTS = re.compile(rb'"Patient"')
_ANYTHING = re.compile(rb"")
_LONGEST_WORD = 40


class FirstPassNeededError(Exception):
    """A resource was met of which other files may say more."""


@dataclass
class Links:
    """Links between the records of the whole source."""

    drugs: Drugs
    complete: bool = False
    """All files were asked."""
    _final: dict[tuple[str, str], str] = field(default_factory=dict)
    _merged: frozenset[str] = frozenset()
    """Patients with a merge in some version."""
    _present: frozenset[str] = frozenset()
    """Surviving patients who are in the source themselves."""
    _replaced: frozenset[str] = frozenset()

    def need_all(self) -> None:
        """Ask for the first pass, unless it was made."""
        if not self.complete:
            raise FirstPassNeededError

    def final(self, kind: str, identity: str) -> str:
        """Return the id by which a resource is known in the whole source, or ``UNCLEAR``."""
        return self._final.get((kind, identity), identity) if self._final else identity

    def replaced(self, patient: str) -> bool:
        """Return whether a Patient is replaced by another one."""
        return patient in self._replaced

    def present(self, survivor: str) -> bool:
        """Return whether a surviving Patient is in the source."""
        return survivor in self._present

    def foreseen(self, patient: str) -> bool:
        """Return whether the first pass saw that a Patient states merges."""
        return patient in self._merged


def first_pass(files: list[Stored], allowed: AllowList) -> Links:
    """Read what connects the resources of different files."""
    scan = _Scan(Drugs(allowed))
    for _, _, item, references in _items(files, _CONNECTING):
        scan.ask(item, references)
    asked = scan.identifiers.asked
    if scan.merged or asked:
        only_patients = all(kind == "Patient" for kind, _ in asked)
        for number, place, item, references in _items(files, _PATIENTS if only_patients else _ANYTHING):
            scan.answer(item, references, (number, place))
    return scan.links()


@dataclass
class _Scan:
    """Collects, in two readings, which connections are asked for and what answers them."""

    drugs: Drugs
    identifiers: Identifiers = field(default_factory=Identifiers)
    merged: set[str] = field(default_factory=set)
    merges: Merges = field(default_factory=Merges)
    claims: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Own ids of resources in conditional updates, with the derived ids for which they came."""
    patients: set[int] = field(default_factory=set)
    """Hashes of the ids of all Patients."""

    def ask(self, item: Item, references: References) -> None:
        """Note what a resource needs to know of others."""
        resource = item.resource
        kind = resource.get("resourceType") if resource is not None else None
        if item.deleted is not None and item.conditional is not None:
            self.identifiers.ask(*item.deleted)
        if resource is None or kind not in KINDS or not isinstance(resource.get("id"), str):
            return
        if item.conditional is not None:
            self.identifiers.ask(kind, resource["id"])
        for element, wanted in REFERRED.items():
            if by_identifier(resource.get(element)):
                self.identifiers.ask(wanted, references.referred(resource[element], wanted) or UNCLEAR)
        if kind == "Patient":
            self._ask_merges(resource, references)
        elif kind == "Medication":
            self.drugs.learn(resource)

    def _ask_merges(self, patient: Resource, references: References) -> None:
        for link in links_of(patient, references):
            self.merged.add(patient["id"])
            for one in (link.replaced, link.survivor):
                if len(one) == DERIVED:
                    self.identifiers.ask("Patient", one)

    def answer(self, item: Item, references: References, at: tuple[int, int]) -> None:
        """Note what a resource says of what was asked."""
        resource = item.resource
        kind = resource.get("resourceType") if resource is not None else None
        if resource is None or kind not in KINDS or not isinstance(resource.get("id"), str):
            return
        identity = resource["id"]
        self.identifiers.carry(kind, identity, identities(resource))
        if item.conditional == "PUT" and item.own_id is not None:
            self.claims.setdefault((kind, item.own_id), set()).add(identity)
        if kind == "Patient":
            self.patients.add(hash(identity))
            if identity in self.merged:
                self.merges.note(identity, _order(resource, at), tuple(links_of(resource, references)))

    def links(self) -> Links:
        """Return what was found."""
        survivors = self.merges.survivors()
        final = {("Patient", patient): survivor for patient, survivor in survivors.items()}
        final |= self.identifiers.meanings(survivors)
        final |= self._claimed()
        for patient, survivor in survivors.items():
            final["Patient", patient] = final.get(("Patient", survivor), survivor)
        ends = {final["Patient", patient] for patient in survivors}
        return Links(
            self.drugs,
            complete=True,
            _final=final,
            _merged=frozenset(self.merged),
            _present=frozenset(patient for patient in ends if hash(patient) in self.patients),
            _replaced=frozenset(survivors),
        )

    def _claimed(self) -> dict[tuple[str, str], str]:
        """Return the derived ids of resources to which a conditional update gives an id that no other one has."""
        times = Counter((kind, derived) for (kind, _), claim in self.claims.items() for derived in claim)
        return {
            (kind, own): derived
            for (kind, own), claim in self.claims.items()
            if len(claim) == 1
            for derived in claim
            if times[kind, derived] == 1 and not self.identifiers.carried((kind, derived))
        }


def _order(resource: Resource, at: tuple[int, int]) -> tuple[int, int, int]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    moment, version = moment_of(meta.get("lastUpdated")), meta.get("versionId")
    number = int(version) if isinstance(version, str) and version.isdecimal() and len(version) < 18 else -1
    return (round(moment.timestamp() * 1_000_000) if moment else -1, number, (at[0] << 40) + at[1])


def _items(files: Iterable[Stored], words: re.Pattern[bytes]) -> Iterator[tuple[int, int, Item, References]]:
    """Give the items of the files in which one of the words stands, with the place of each."""
    for number, stored in enumerate(files):
        if _contains(stored, words):
            for piece in sources.read(stored):
                for item in piece.items:
                    yield number, piece.place(item), item, piece.references


def _contains(stored: Stored, words: re.Pattern[bytes]) -> bool:
    rest = b""
    with storage.reading(stored.place) as raw:
        stream = Unpacked(raw, stored.size)
        try:
            while chunk := stream.read(_CHUNK):
                window = rest + chunk
                if words.search(window):
                    return True
                rest = window[-_LONGEST_WORD:]
        except UnreadableError:
            return False
    return False
