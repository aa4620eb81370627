"""Batch, ``--as-of`` and ``score`` agree on a discharge, whatever statuses, precisions and zones its records have."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from model.definitions.features import BASELINE, KEYS, LABEL, definitions
from model.features.build import build_as_of
from model.scoring.latest_discharge import latest_of_bundle
from tests.support.model.fhir_records import (
    VERIFICATION,
    Answer,
    Resource,
    answer,
    bundle,
    concept,
    condition,
    disposition,
    encounter,
    observation,
    order,
    patient,
    subject,
)

pytestmark = pytest.mark.process

ZONE = "America/New_York"
STATUSES = {
    "Condition": ["confirmed", "provisional", "refuted", "differential", "entered-in-error"],
    "Observation": ["final", "amended", "registered", "cancelled", "entered-in-error"],
    "MedicationRequest": ["active", "stopped", "draft", "cancelled", "entered-in-error"],
    "Encounter": ["finished", "planned", "cancelled", "entered-in-error", "unknown"],
}


def odd_history(who: str, chance: random.Random) -> list[Resource]:
    """Return a patient whose last true stay ended on a day in June, with odd records before, in and after it."""
    zone = ZoneInfo(ZONE)

    def written(moment: datetime) -> str:
        return chance.choice(
            [moment.isoformat(), moment.astimezone(ZoneInfo("UTC")).isoformat(), moment.date().isoformat()]
        )

    start = datetime(2024, 6, 1 + chance.randrange(20), 9, tzinfo=zone)
    end = start + timedelta(days=2 + chance.randrange(5), hours=chance.randrange(8))
    found = [patient(who), encounter(who, "stay", start.isoformat(), end.isoformat(), **disposition("home"))]
    for number in range(12):
        at = start + timedelta(days=chance.uniform(-200, 8))
        kind = chance.choice(list(STATUSES))
        status = chance.choice(STATUSES[kind])
        name = f"{kind}{number}"
        match kind:
            case "Condition":
                dated: dict[str, Any] = {chance.choice(["recordedDate", "onsetDateTime"]): written(at)}
                dated = {"encounter": {"reference": f"Encounter/{who}-stay"}} if chance.random() < 0.3 else dated
                verified = {"verificationStatus": concept(VERIFICATION, status)}
                found.append(condition(who, name, chance.choice(["I50.9", "E11.9", "N18.5"]), **dated, **verified))
            case "Observation":
                issued = {"issued": (at + timedelta(hours=chance.randrange(30))).isoformat()}
                found.append(observation(who, name, written(at), chance.uniform(0.5, 5), status=status, **issued))
            case "MedicationRequest":
                intent = chance.choice(["order", "plan"])
                found.append(
                    order(who, name, written(at), chance.choice(["197361", "310965"]), status=status, intent=intent)
                )
            case _:
                early = start - timedelta(days=chance.uniform(40, 200))
                late = early + timedelta(hours=chance.randrange(1, 60))
                found.append(
                    encounter(
                        who, name, written(early), written(late), chance.choice(["IMP", "EMER", "AMB"]), status=status
                    )
                )
    chance.shuffle(found)
    return found


def features_of(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in definitions().names}


@pytest.fixture(scope="module")
def histories() -> dict[str, list[Resource]]:
    chance = random.Random(13)
    return {f"p{number}": odd_history(f"p{number}", chance) for number in range(50)}


@pytest.fixture(scope="module")
def batch(histories: dict[str, list[Resource]], tmp_path_factory: pytest.TempPathFactory) -> Answer:
    everything = [resource for resources in histories.values() for resource in resources]
    return answer(tmp_path_factory.mktemp("agreement"), everything, zone=ZONE, max_bad_share=1.0)


def last_discharge(batch: Answer, who: str) -> dict[str, Any]:
    stay = subject(who).pseudonym("Encounter", f"{who}-stay")
    return next(row for row in batch.of(who) if row["index_id"] == stay)


def test_every_patient_has_the_discharge(batch: Answer, histories: dict[str, list[Resource]]) -> None:
    assert all(last_discharge(batch, who) for who in histories)
    assert batch.ingested.read == sum(map(len, histories.values()))


@pytest.mark.parametrize("number", range(4))
def test_as_of_a_discharge_is_the_batch_row(number: int, batch: Answer, tmp_path: Path) -> None:
    row = last_discharge(batch, f"p{number}")
    online = build_as_of(
        str(batch.made_from),
        out=str(tmp_path / "f.parquet"),
        at=row["discharged_at"].isoformat(),
        patient=row["patient_id"],
    )
    assert online.features == features_of(row)


@pytest.mark.parametrize("number", range(4))
def test_a_score_is_of_the_batch_row(
    number: int, batch: Answer, histories: dict[str, list[Resource]], tmp_path: Path
) -> None:
    file = tmp_path / "patient.json"
    file.write_text(json.dumps(bundle(histories[f"p{number}"])))
    found = latest_of_bundle(str(file), ZONE).columns
    row = features_of(last_discharge(batch, f"p{number}"))
    assert {name: values[0] for name, values in found.items()} == row
    assert not {*KEYS, LABEL, BASELINE} & row.keys()
