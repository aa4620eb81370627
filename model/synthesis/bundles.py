"""Write a simulated patient as a FHIR R4 transaction bundle, US Core in shape, with everything that identifies."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from model.synthesis.population import Person, Stay, causes

Resource = dict[str, Any]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
ADMIT_SOURCE = "http://terminology.hl7.org/CodeSystem/admit-source"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
MICROMOLES = 88.42


class BundleWriter:
    """Collects one patient's resources; identifiers come from the patient's own random stream."""

    def __init__(self, person: Person, seed: int) -> None:
        self._person = person
        self._chance = np.random.default_rng([seed, person.number, 1])
        self._entries: list[Resource] = []
        self.patient = self._add(self._patient())

    def bundle(self) -> Resource:
        """Return the finished transaction bundle."""
        person = self._person
        first = self._encounter("AMB", person.first_seen, person.first_seen + timedelta(minutes=40))
        for cause in person.conditions:
            self._condition(cause.icd10cm, cause.snomed, person.first_seen, first)
        for drug in person.drugs:
            self._drug(drug, person.first_seen + timedelta(minutes=30), first)
        for visit in sorted(person.emergencies):
            self._encounter("EMER", visit, visit + timedelta(hours=5))
        for stay in person.stays:
            self._stay(stay)
        return {"resourceType": "Bundle", "type": "transaction", "entry": self._entries}

    def _uuid(self) -> str:
        return str(uuid.UUID(bytes=self._chance.bytes(16), version=4))

    def _add(self, resource: Resource) -> str:
        identity = self._uuid()
        kind = resource["resourceType"]
        full = {"resourceType": kind, "id": identity, **resource}
        self._entries.append(
            {"fullUrl": f"urn:uuid:{identity}", "resource": full, "request": {"method": "POST", "url": kind}}
        )
        return f"urn:uuid:{identity}"

    def _patient(self) -> Resource:
        names, chance, person = causes().names, self._chance, self._person
        city = names["city"][int(chance.integers(len(names["city"])))]
        family, given, street = (str(chance.choice(names[part])) for part in ("family", "given", "street"))
        digits = "".join(str(d) for d in chance.integers(0, 10, size=16))
        kinds = {"MR": f"MRN{digits[:8]}", "SS": f"999-{digits[8:10]}-{digits[10:14]}", "DL": f"S{digits[:8]}"}
        resource: Resource = {
            "resourceType": "Patient",
            "meta": {"profile": [f"{US_CORE}us-core-patient"]},
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{given} {family}</div>',
            },
            "extension": [{"url": f"{US_CORE}us-core-birthsex", "valueCode": person.sex[0].upper()}],
            "identifier": [
                {
                    "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": kind}]},
                    "system": f"http://hospital.example/{kind.lower()}",
                    "value": value,
                }
                for kind, value in kinds.items()
            ],
            "name": [{"use": "official", "family": family, "given": [given]}],
            "telecom": [
                {"system": "phone", "value": f"555-{digits[:3]}-{digits[3:7]}", "use": "home"},
                {"system": "email", "value": f"{digits[:6]}@mail.example"},
            ],
            "gender": person.sex,
            "birthDate": person.born.date().isoformat(),
            "address": [
                {
                    "line": [f"{digits[:3]} {street}"],
                    "city": city["name"],
                    "state": city["state"],
                    "postalCode": city["zip"],
                    "country": "US",
                }
            ],
        }
        if person.died:
            resource["deceasedDateTime"] = _time(person.died)
        return resource

    def _encounter(
        self, kind: str, start: datetime, end: datetime, *, emergency: bool = False, disposition: str | None = None
    ) -> str:
        resource: Resource = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": ACT_CODE, "code": kind},
            "subject": {"reference": self.patient, "display": "the patient of this bundle"},
            "period": {"start": _time(start), "end": _time(end)},
        }
        if disposition:
            resource["hospitalization"] = {
                "admitSource": _concept(ADMIT_SOURCE, "emd" if emergency else "outp"),
                "dischargeDisposition": _concept(DISPOSITION, disposition),
            }
        return self._add(resource)

    def _stay(self, stay: Stay) -> None:
        if stay.transferred:
            encounter = self._encounter(
                "IMP", stay.start, stay.transferred, emergency=stay.emergency, disposition="other-hcf"
            )
            self._encounter("IMP", stay.transferred + timedelta(hours=2), stay.end, disposition=stay.disposition)
        else:
            encounter = self._encounter(
                "IMP", stay.start, stay.end, emergency=stay.emergency, disposition=stay.disposition
            )
        first, last = stay.start + timedelta(hours=2), stay.end - timedelta(hours=3)
        early = float(self._chance.normal(1.08, 0.05))
        self._creatinine(stay.creatinine * early, first, encounter)
        self._creatinine(stay.creatinine, last, encounter)
        if self._chance.random() < 0.9:
            self._observation("718-7", stay.hemoglobin, "g/dL", last, encounter)
        if self._chance.random() < 0.9:
            self._observation("2951-2", stay.sodium, "mmol/L", last, encounter)
        self._blood_pressure(stay.systolic, last, encounter)
        for drug in self._person.drugs:
            self._drug(drug, first, encounter)
        # The bill is coded days after the discharge: a model that reads it knows too much.
        self._condition("Z09", None, stay.end + timedelta(days=6), encounter)

    def _creatinine(self, value: float, when: datetime, encounter: str) -> None:
        draw = self._chance.random()
        if draw < 0.25:
            self._observation("14682-9", value * MICROMOLES, "umol/L", when, encounter)
        else:
            self._observation("38483-4" if draw < 0.5 else "2160-0", value, "mg/dL", when, encounter)

    def _observation(self, code: str, value: float, unit: str, when: datetime, encounter: str) -> None:
        self._add(self._observed(code, when, encounter, "laboratory") | {"valueQuantity": _quantity(value, unit)})

    def _blood_pressure(self, systolic: float, when: datetime, encounter: str) -> None:
        parts = {"8480-6": systolic, "8462-4": systolic * 0.62}
        components = [
            {"code": _concept(LOINC, code), "valueQuantity": _quantity(value, "mm[Hg]")}
            for code, value in parts.items()
        ]
        self._add(self._observed("85354-9", when, encounter, "vital-signs") | {"component": components})

    def _observed(self, code: str, when: datetime, encounter: str, category: str) -> Resource:
        return {
            "resourceType": "Observation",
            "status": "final",
            "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", category)],
            "code": _concept(LOINC, code) | {"text": "as ordered by the ward"},
            "subject": {"reference": self.patient},
            "encounter": {"reference": encounter},
            "effectiveDateTime": _time(when),
            "issued": _time(when + timedelta(minutes=45)),
        }

    def _condition(self, icd10cm: str, snomed: str | None, when: datetime, encounter: str) -> None:
        use_snomed = snomed is not None and self._chance.random() < 0.4
        system, code = (SNOMED, snomed or "") if use_snomed else (ICD10CM, icd10cm)
        self._add(
            {
                "resourceType": "Condition",
                "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
                "code": _concept(system, code),
                "subject": {"reference": self.patient},
                "encounter": {"reference": encounter},
                "onsetDateTime": _time(when - timedelta(days=20)),
                "recordedDate": _time(when),
            }
        )

    def _drug(self, code: str, when: datetime, encounter: str) -> None:
        self._add(
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": _concept(RXNORM, code),
                "subject": {"reference": self.patient},
                "encounter": {"reference": encounter},
                "authoredOn": _time(when),
            }
        )


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _quantity(value: float, unit: str) -> Resource:
    return {"value": round(value, 2), "unit": unit, "system": UCUM, "code": unit}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
