"""Attribution of a resource to its patient, its id in the source, and the drug of an order."""

from collections import Counter
from dataclasses import dataclass

from model.fhir.bundles import Item
from model.fhir.conditional import UNCLEAR, by_identifier
from model.fhir.medications import ENTERED_IN_ERROR, Concept, contained, countable
from model.fhir.references import References, owning_element
from model.io.json_elements import Resource
from model.linkage.links import Links
from model.linkage.merges import links_of


@dataclass(frozen=True)
class Attributed:
    """A resource with the ids that count in the whole source."""

    resource: Resource
    owner: str
    """The patient's id."""


@dataclass(frozen=True)
class Excluded:
    """An excluded resource and its exclusion reason."""

    reason: str
    survivor: str | None = None
    """The surviving patient of an excluded Patient."""


@dataclass(frozen=True)
class Resolution:
    """References of one piece of a file, resolved within the whole source."""

    references: References
    links: Links

    def resolve(self, reference: str, kind: str) -> str | None:
        """Return the id that a reference means; nothing when it means none or it is unclear which."""
        identity = self._final(kind, self.references.resolve(reference, kind))
        return None if identity == UNCLEAR else identity

    def referred(self, reference: object, kind: str) -> str | None:
        """Return the id that a Reference means, or ``UNCLEAR``; nothing when it means none."""
        if by_identifier(reference):
            self.links.need_all()
        return self._final(kind, self.references.referred(reference, kind))

    def _final(self, kind: str, identity: str | None) -> str | None:
        return None if identity is None else self.links.final(kind, identity)

    def attribute(self, item: Item, resource: Resource, warnings: Counter[str]) -> Attributed | Excluded | None:
        """Return a valid resource with its patient, or why it is not used; nothing when it names no patient."""
        if item.conditional is not None:
            self.links.need_all()
        if resource["resourceType"] == "Patient":
            return self._patient(item, resource, warnings)
        return self._record(item, resource)

    def _patient(self, item: Item, resource: Resource, warnings: Counter[str]) -> Attributed | Excluded:
        identity = resource["id"]
        merging = "link" in resource and any(links_of(resource, self.references))
        if merging:
            self.links.need_all()
        final = self.links.final("Patient", identity)
        if final == UNCLEAR or (merging and not self.links.foreseen(identity)):
            return Excluded(item.conditional_reason if item.conditional else "merge-unclear")
        if self.links.replaced(identity):
            if self.links.present(final):
                return Excluded("replaced", final)
            warnings["patient-replaced-by-absent"] += 1
        return Attributed(resource if final == identity else resource | {"id": final}, final)

    def _record(self, item: Item, resource: Resource) -> Attributed | Excluded | None:
        kind = resource["resourceType"]
        element = owning_element(kind)
        owner = self.referred(resource.get(element), "Patient")
        if owner is None:
            return None
        if owner == UNCLEAR:
            return Excluded("patient-unclear")
        final = self.links.final(kind, resource["id"])
        if final == UNCLEAR:
            return Excluded(item.conditional_reason)
        changed: Resource = {} if final == resource["id"] else {"id": final}
        if "reference" not in resource[element]:
            changed[element] = {"reference": f"Patient/{owner}"}
        if by_identifier(resource.get("encounter")):
            stay = self.referred(resource["encounter"], "Encounter")
            changed["encounter"] = {} if stay in {None, UNCLEAR} else {"reference": f"Encounter/{stay}"}
        if kind == "MedicationRequest":
            drug = self._drug(resource)
            if isinstance(drug, Excluded):
                return drug
            changed |= drug
        return Attributed(resource | changed if changed else resource, owner)

    def _drug(self, order: Resource) -> Resource | Excluded:
        """Return the codings by which an order's drug is counted, or why there is none."""
        concept, reference = order.get("medicationCodeableConcept"), order.get("medicationReference")
        if concept is None and reference is not None:
            concept = self._medication(order, reference)
            if concept is None:
                return Excluded("medication-not-found")
        if concept is ENTERED_IN_ERROR:
            return Excluded("medication-entered-in-error")
        concept_codes = countable(concept, self.links.drugs.allowed)
        return {"medicationCodeableConcept": {"coding": concept_codes}} if concept_codes else {}

    def _medication(self, order: Resource, reference: Resource) -> Concept:
        """Return the codes of the Medication that an order names, wherever it is."""
        literal = reference.get("reference")
        if literal is None and "identifier" not in reference:
            return {}  # in words alone
        if isinstance(literal, str):
            inside = contained(order, literal) if literal.startswith("#") else self.references.drug(literal)
            if inside is not None or literal.startswith("#"):
                return inside
        identity = self.referred(reference, "Medication")
        concept = self.links.drugs.find(identity) if identity is not None else None
        if concept is None:
            self.links.need_all()
        return concept
