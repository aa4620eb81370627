"""Race, ethnicity and payer of a synthetic patient, from a random stream of their own."""

import functools
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from model.io.json_elements import Resource
from model.synthesis.population import Person

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
CDC = "urn:oid:2.16.840.1.113883.6.238"
NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
SOPT = "https://nahdo.org/sopt"
STREAM = 2
YEAR_DAYS = 365.25


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "groups.yaml").read_text(encoding="utf-8"))
    return table


class Social:
    """Social data of a patient: coverage and other records that are not clinical.

    Parameters
    ----------
    person : Person
        The patient.
    seed : int
        The same seed and patient give the same record.
    """

    def __init__(self, person: Person, seed: int) -> None:
        self._person = person
        self._chance = np.random.default_rng([seed, person.number, STREAM])
        self._extensions = [one for name in ("race", "ethnicity") for one in self._categories(name)]
        self._payer, self._coded = self._drawn(_table()["payers"]), self._chance.random() < 0.5
        self._ids = [str(uuid.UUID(bytes=self._chance.bytes(16), version=4)) for _ in range(2)]

    def extensions(self) -> list[Resource]:
        """Return the US Core extensions of the Patient."""
        return self._extensions

    def coverages(self, patient: str) -> Iterator[Resource]:
        """Give the patient's Coverages: one from the first visit on, and Medicare from its age on."""
        starts = self._person.first_seen
        medicare = self._person.born + timedelta(days=_table()["medicare_age"] * YEAR_DAYS)
        if medicare > starts:
            yield self._coverage(self._ids[0], patient, self._payer, starts, medicare - timedelta(days=1))
        yield self._coverage(self._ids[1], patient, "medicare", max(starts, medicare), None)

    def _drawn(self, shares: dict[str, float]) -> str:
        return str(self._chance.choice(list(shares), p=list(shares.values())))

    def _categories(self, name: str) -> list[Resource]:
        rules = _table()[name]
        codes = [self._drawn(rules["shares"])]
        second, absent = self._drawn(rules["shares"]), self._chance.random()
        if self._chance.random() < rules.get("several", 0) and second not in codes:
            codes.append(second)
        if absent < rules["silent"]:
            return []
        if absent < rules["silent"] + rules["declined"]:
            parts = [_category({"system": NULL_FLAVOR, "code": "ASKU", "display": "asked but unknown"})]
        else:
            shown = _table()["displays"]
            parts = [_category({"system": CDC, "code": code, "display": shown[code]}) for code in codes]
        text = ", ".join(part["valueCoding"]["display"] for part in parts)
        return [{"url": f"{US_CORE}us-core-{name}", "extension": [*parts, {"url": "text", "valueString": text}]}]

    def _coverage(self, identity: str, patient: str, payer: str, starts: datetime, ends: datetime | None) -> Resource:
        code, words = _table()["written"][payer]
        period = {"start": starts.date().isoformat()} | ({"end": ends.date().isoformat()} if ends else {})
        return {
            "resourceType": "Coverage",
            "id": identity,
            "status": "active",
            "type": {"coding": [{"system": SOPT, "code": code}]} if self._coded else {"text": words},
            "subscriberId": f"H{identity[:8].upper()}",
            "beneficiary": {"reference": patient},
            "period": period,
            "payor": [{"display": words}],
        }


def _category(coding: Resource) -> Resource:
    return {"url": "ombCategory", "valueCoding": coding}
