"""Medications of orders: inline, contained, or anywhere else in the source."""

from dataclasses import dataclass, field

from model.deid.rules import AllowList
from model.io.json_elements import Resource, element, elements

ENTERED_IN_ERROR: Resource = {"entered-in-error": True}
"""In place of a drug's codes: the Medication itself was recorded in error."""
SYSTEMS = ("rxnorm", "atc", "snomed", "ndc")
"""Systems of drugs, the first that an order has is the one that counts."""

Concept = Resource | None


@dataclass
class Drugs:
    """The codes of all Medications of a source by the hash of their id; only those that may leave are kept."""

    allowed: AllowList
    _number_of: dict[int, int] = field(default_factory=dict)
    _concepts: list[Resource] = field(default_factory=lambda: [ENTERED_IN_ERROR])
    _known: dict[tuple[tuple[str, str], ...], int] = field(default_factory=dict)

    def learn(self, resource: Resource) -> None:
        """Note a Medication; a later one of the same id replaces it."""
        identity = resource.get("id")
        if isinstance(identity, str):
            self._number_of[hash(identity)] = self._number(resource)

    def find(self, identity: str) -> Concept:
        """Return the codes of the Medication with an id."""
        number = self._number_of.get(hash(identity))
        return None if number is None else self._concepts[number]

    def _number(self, resource: Resource) -> int:
        if resource.get("status") == "entered-in-error":
            return 0
        codes = tuple((one["system"], one["code"]) for one in countable(resource.get("code"), self.allowed))
        if codes not in self._known:
            self._known[codes] = len(self._concepts)
            self._concepts.append({"coding": [{"system": system, "code": code} for system, code in codes]})
        return self._known[codes]


def countable(concept: object, allowed: AllowList) -> list[Resource]:
    """Return the codings of the one system by which a drug is counted; none when no system is understood."""
    codings = elements(element(concept).get("coding"))
    for system in SYSTEMS:
        countable_codings = [one for one in codings if allowed.meaning((system,), one.get("system"), one.get("code"))]
        if countable_codings:
            return countable_codings
    return []


def contained(resource: Resource, reference: str) -> Concept:
    """Return the codes of a Medication inside an order."""
    for one in resource.get("contained") or ():
        if one.get("id") == reference[1:] and one.get("resourceType") == "Medication":
            concept = ENTERED_IN_ERROR if one.get("status") == "entered-in-error" else one.get("code")
            return concept if isinstance(concept, dict) else {}
    return None
