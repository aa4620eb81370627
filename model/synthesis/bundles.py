"""FHIR R4 transaction Bundle of a simulated patient, with US Core elements and identifiers."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from model.io.json_elements import Resource
from model.synthesis.measuring import Measurement, Values, Writing, measurements
from model.synthesis.population import Cause, Person, Stay, causes
from model.synthesis.social import US_CORE, Social
from model.synthesis.units import UNITS, display

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
ADMIT_SOURCE = "http://terminology.hl7.org/CodeSystem/admit-source"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
VITAL_SIGNS = {"systolic", "diastolic", "heart rate", "oxygen saturation", "temperature", "respiratory rate"}


UNIT_STREAM = 3


class BundleWriter:
    """Collects one patient's resources; identifiers come from the patient's own random stream.

    Parameters
    ----------
    person : Person
        The patient.
    seed : int
        The same seed and patient give the same resources.
    units : sequence of str
        Units of the hospital: each stay is in one of them, and each part of it after a transfer.
    until : datetime, optional
        End of the record: a stay that goes on then is in it, and nothing that would be later.
    """

    def __init__(self, person: Person, seed: int, units: Sequence[str] = UNITS, until: datetime | None = None) -> None:
        self._person, self._units, self._until = person, units, until
        self._places = np.random.default_rng([seed, person.number, UNIT_STREAM])
        self._chance = np.random.default_rng([seed, person.number, 1])
        self._entries: list[Resource] = []
        self._social = Social(person, seed)
        rows = [row for row in measurements() if row.written]
        draws = self._chance.random(len(rows)).tolist()
        self._written = [(row, row.writing(draw)) for row, draw in zip(rows, draws, strict=True)]
        self.patient = self._add(self._patient())

    def bundle(self) -> Resource:
        """Return the finished transaction bundle."""
        person = self._person
        first = self._encounter("AMB", person.first_seen, person.first_seen + timedelta(minutes=40))
        for cause in person.conditions:
            self._condition(*self._coded(cause), person.first_seen, first)
        for drug in person.drugs:
            self._drug(drug, person.first_seen + timedelta(minutes=30), first)
        for visit in sorted(person.emergencies):
            self._encounter("EMER", visit, visit + timedelta(hours=5))
            if self._chance.random() < 0.1 and self._recorded(visit + timedelta(hours=5)):
                self._encounter("OBSENC", visit + timedelta(hours=5), visit + timedelta(hours=23))
        for stay in person.stays:
            self._stay(stay)
        if person.current is not None and self._until is not None:
            self._stay(person.current)
        for coverage in self._social.coverages(self.patient):
            self._append(coverage)
        return {"resourceType": "Bundle", "type": "transaction", "entry": self._entries}

    def _recorded(self, moment: datetime) -> bool:
        """Return whether a moment is in the record."""
        return self._until is None or moment <= self._until

    def _uuid(self) -> str:
        return str(uuid.UUID(bytes=self._chance.bytes(16), version=4))

    def _add(self, resource: Resource) -> str:
        return self._append({"resourceType": resource["resourceType"], "id": self._uuid(), **resource})

    def _append(self, resource: Resource) -> str:
        url, kind = f"urn:uuid:{resource['id']}", resource["resourceType"]
        self._entries.append({"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": kind}})
        return url

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
            "extension": [
                {"url": f"{US_CORE}us-core-birthsex", "valueCode": person.sex[0].upper()},
                *self._social.extensions(),
            ],
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
        self,
        kind: str,
        start: datetime,
        end: datetime,
        *,
        disposition: str | None = None,
        source: str = "outp",
        priority: str | None = None,
    ) -> str:
        over = self._recorded(end)
        resource: Resource = {
            "resourceType": "Encounter",
            "status": "finished" if over else "in-progress",
            "class": {"system": ACT_CODE, "code": kind},
            "subject": {"reference": self.patient, "display": "the patient of this bundle"},
            "period": {"start": _time(start)} | ({"end": _time(end)} if over else {}),
        }
        if priority:
            resource["priority"] = _concept(ACT_PRIORITY, priority)
        if disposition:
            resource["hospitalization"] = {"admitSource": _concept(ADMIT_SOURCE, source)} | (
                {"dischargeDisposition": _concept(DISPOSITION, disposition)} if over else {}
            )
            unit = self._units[int(self._places.integers(len(self._units)))]
            place = {"location": {"display": display(unit)}}
            resource["location"] = [place | {"status": "completed" if over else "active"}]
        return self._add(resource)

    def _stay(self, stay: Stay) -> None:
        encounter = self._admission(stay)
        first = stay.start + timedelta(hours=2)
        last = (stay.end if self._recorded(stay.end) else self._until or stay.end) - timedelta(hours=3)
        draws = self._chance.random((len(self._written), 2)).tolist()
        for (row, writing), (recorded, repeated) in zip(self._written, draws, strict=True):
            if recorded >= row.share:
                continue
            if repeated < row.twice and self._recorded(first):
                self._observation(row, writing, stay.early, first, encounter)
            if last > stay.start:
                self._observation(row, writing, stay.late, last, encounter)
        for drug in self._person.drugs if self._recorded(first) else ():
            self._drug(drug, first, encounter)
        # The bill is coded days after the discharge: a model that reads it knows too much.
        if self._recorded(coded := stay.end + timedelta(days=6)):
            self._condition(ICD10CM, "Z09", coded, encounter)

    def _admission(self, stay: Stay) -> str:
        """Write the stay's encounters, two where the patient was moved, and return the first one's address."""
        acute, urgency, rest = self._chance.random(3).tolist()
        kind = "ACUTE" if acute < 0.1 else "IMP"
        if stay.emergency:
            source, priority = "emd", "EM" if urgency < 0.6 else "UR" if urgency < 0.9 else None
        else:
            source, priority = "outp", "EL" if urgency < 0.7 else "R" if urgency < 0.9 else None
        if stay.transferred is None or not self._recorded(stay.transferred + timedelta(hours=2)):
            return self._encounter(
                kind, stay.start, stay.end, disposition=stay.disposition, source=source, priority=priority
            )
        moved = stay.transferred
        encounter = self._encounter(kind, stay.start, moved, disposition="other-hcf", source=source, priority=priority)
        self._encounter(
            "NONAC" if rest < 0.5 else "IMP",
            moved + timedelta(hours=2),
            stay.end,
            disposition=stay.disposition,
            source="hosp-trans",
        )
        return encounter

    def _observation(self, row: Measurement, writing: Writing, values: Values, when: datetime, encounter: str) -> None:
        category = "vital-signs" if row.name in VITAL_SIGNS else "laboratory"
        observation = self._observed(writing.code, when, encounter, category)
        if writing.parts:
            observation["component"] = [
                {"code": _concept(LOINC, code), "valueQuantity": _quantity(values[name], writing.unit, row.digits)}
                for code, name in writing.parts.items()
            ]
        else:
            recorded = values[row.name] * writing.factor + writing.offset
            observation["valueQuantity"] = _quantity(recorded, writing.unit, row.digits)
        self._add(observation)

    def _observed(self, code: str, when: datetime, encounter: str, category: str) -> Resource:
        return {
            "resourceType": "Observation",
            "status": "final",
            "category": [_concept(CATEGORY, category)],
            "code": _concept(LOINC, code) | {"text": "as ordered by the ward"},
            "subject": {"reference": self.patient},
            "encounter": {"reference": encounter},
            "effectiveDateTime": _time(when),
            "issued": _time(when + timedelta(minutes=45)),
        }

    def _coded(self, cause: Cause) -> tuple[str, str]:
        """Choose the code system in which an illness is recorded."""
        draw = self._chance.random()
        if draw < 0.35:
            return SNOMED, cause.snomed
        return (ICD9CM, cause.icd9cm) if draw < 0.5 else (ICD10CM, cause.icd10cm)

    def _condition(self, system: str, code: str, when: datetime, encounter: str) -> None:
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


def _quantity(value: float, unit: str, digits: int) -> Resource:
    return {"value": round(value, digits) if digits else round(value), "unit": unit, "system": UCUM, "code": unit}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
