"""Write-back of scores to a FHIR server that goes down, comes back and loses answers: each arrives once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from model.errors import UserError
from model.fhir_server.credentials import Credentials
from services.care.assembly import WRITE_BACK_CREDENTIALS, fhir_writer
from services.care.delivery.outbox import RISK_ASSESSMENT, Courier, NotDeliveredError, put, wait_seconds
from services.care.delivery.write_back import Assessed, FhirWriter, LateWriter, content, transaction
from services.care.tables import OUTBOX
from services.planning.schema import Fallback, Scored
from tests.support.care.care_world import FALLBACK, RELEASE, SCORED, CareWorld, care_world
from tests.support.care.ehr_server import Clock, EhrServer
from tests.support.care.ehr_server import running as running_ehr
from tests.support.databases.postgres import PostgresServer

pytestmark = pytest.mark.process
ENCOUNTER = "v1-" + "a1" * 20
NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)
ASSESSED = Assessed("patient-1", "encounter-1", NOW)
SCORE = Scored.model_validate(SCORED | {"encounter": ENCOUNTER})


@pytest.fixture
def ehr(tmp_path: Path) -> Iterator[EhrServer]:
    yield from running_ehr(tmp_path / "ehr")


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    with care_world(postgres, tmp_path_factory.mktemp("care")) as made:
        yield made


def courier(world: CareWorld, ehr: EhrServer, clock: Clock) -> Courier:
    writer = FhirWriter(ehr.base, Credentials(ca=ehr.ca.read_text()), "Readmission risk service of north")
    return Courier(world.care.engine, world.care.cipher, {RISK_ASSESSMENT: writer.write}, clock)


def waiting(world: CareWorld) -> list[dict[str, Any]]:
    return [row for row in world.rows(OUTBOX) if row["delivered_at"] is None and row["refused_at"] is None]


def write(world: CareWorld, number: int = 1) -> None:
    with world.care.transaction() as connection:
        for _ in range(number):
            put(connection, world.care.cipher, RISK_ASSESSMENT, ENCOUNTER, content(SCORE, ASSESSED), at=NOW)


def test_a_score_is_written_with_its_provenance(world: CareWorld, ehr: EhrServer) -> None:
    write(world)
    assert courier(world, ehr, Clock(NOW)).deliver_due() == 1
    (assessment,) = ehr.of_type("RiskAssessment")
    (provenance,) = ehr.of_type("Provenance")
    assert assessment["subject"] == {"reference": "Patient/patient-1"}
    assert assessment["encounter"] == {"reference": "Encounter/encounter-1"}
    assert assessment["prediction"][0]["probabilityDecimal"] == 0.27
    assert assessment["prediction"][0]["qualitativeRisk"]["text"] == "high"
    assert assessment["method"]["text"].startswith("readmission-risk-v1 v1 sha256:c3c3")
    assert provenance["target"] == [{"reference": f"RiskAssessment/{assessment['id']}"}]
    assert courier(world, ehr, Clock(NOW)).deliver_due() == 0


class Kv:
    """Vault's key-value engine, which is away or has a secret."""

    def __init__(self) -> None:
        self.secret: dict[str, Any] | None = None
        self.asked: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if self.secret is None:
            raise UserError("Vault does not answer.")
        return {"data": self.secret}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError(path)


def test_the_credentials_are_read_when_vault_has_them(world: CareWorld, ehr: EhrServer) -> None:
    vault = Kv()
    settings = world.care.settings.model_copy(update={"fhir_server": ehr.base})
    late = LateWriter(lambda: fhir_writer(settings, vault))
    message = uuid4()
    with pytest.raises(NotDeliveredError):
        late.write(message, content(SCORE, ASSESSED))
    vault.secret = {"ca": ehr.ca.read_text()}
    for _ in range(2):
        late.write(message, content(SCORE, ASSESSED))
    assert vault.asked == [f"{settings.hospital}/{WRITE_BACK_CREDENTIALS}"] * 2
    assert len(ehr.of_type("RiskAssessment")) == 1


def test_while_the_server_is_down_write_backs_wait_and_each_arrives_once(world: CareWorld, ehr: EhrServer) -> None:
    clock = Clock(NOW)
    carrying = courier(world, ehr, clock)
    ehr.stop()
    write(world, 3)
    for _ in range(4):
        assert carrying.deliver_due() == 0
        clock.now += timedelta(hours=1)
    assert len(waiting(world)) == 3
    assert {row["last_fault"] for row in waiting(world)} == {"NotDeliveredError"}
    ehr.start()
    assert carrying.deliver_due() == 3
    assert carrying.deliver_due() == 0
    assert len(ehr.of_type("RiskAssessment")) == len(ehr.of_type("Provenance")) == 3
    assert waiting(world) == []


def test_a_lost_answer_does_not_write_twice(world: CareWorld, ehr: EhrServer) -> None:
    clock = Clock(NOW)
    carrying = courier(world, ehr, clock)
    write(world)
    ehr.loses_answers = True
    assert carrying.deliver_due() == 0
    assert len(ehr.of_type("RiskAssessment")) == 1
    ehr.loses_answers = False
    clock.now += timedelta(hours=1)
    assert carrying.deliver_due() == 1
    assert ehr.transactions == 2
    assert len(ehr.of_type("RiskAssessment")) == len(ehr.of_type("Provenance")) == 1


def test_a_busy_server_is_asked_again_and_a_refusal_is_kept_for_a_person(world: CareWorld, ehr: EhrServer) -> None:
    clock = Clock(NOW)
    carrying = courier(world, ehr, clock)
    write(world)
    ehr.statuses = [503, 429, 401, 422]
    for _ in range(4):
        assert carrying.deliver_due() == 0
        clock.now += timedelta(hours=1)
    (row,) = [row for row in world.rows(OUTBOX) if row["refused_at"] is not None]
    assert (row["attempts"], row["last_fault"]) == (4, "status 422")
    assert carrying.deliver_due() == 0


def test_two_couriers_do_not_deliver_the_same_message(world: CareWorld, ehr: EhrServer) -> None:
    write(world)
    first, second = courier(world, ehr, Clock(NOW)), courier(world, ehr, Clock(NOW))
    taken = first._take()
    assert taken is not None
    assert second.deliver_due() == 0
    # One that was killed with a message in hand: its lease ends.
    assert courier(world, ehr, Clock(NOW + timedelta(minutes=2))).deliver_due() == 1


def test_the_content_is_not_readable_in_the_database(world: CareWorld, ehr: EhrServer) -> None:
    write(world)
    assert "patient-1" not in json.dumps(world.rows(OUTBOX), default=str)
    assert courier(world, ehr, Clock(NOW)).deliver_due() == 1


def test_a_score_names_the_window_of_its_release() -> None:
    score = SCORED | {"encounter": ENCOUNTER, "release": RELEASE | {"return_days": 45}}
    (prediction,) = json.loads(content(Scored.model_validate(score), ASSESSED))["prediction"]
    assert prediction["outcome"]["text"] == "Unplanned readmission within 45 days"


def test_a_rank_by_lace_is_no_probability() -> None:
    resource = json.loads(content(Fallback.model_validate(FALLBACK | {"encounter": ENCOUNTER}), ASSESSED))
    (prediction,) = resource["prediction"]
    assert "probabilityDecimal" not in prediction
    assert "no model score" in prediction["rationale"]
    assert "model-slow" in resource["method"]["text"]


def test_the_resources_are_valid_fhir() -> None:
    from fhir.resources.R4B import get_fhir_model_class

    bundle = transaction(uuid4(), json.loads(content(SCORE, ASSESSED)), "Readmission risk service")
    get_fhir_model_class("Bundle").model_validate(bundle)


@pytest.mark.parametrize("attempts", [1, 3, 20, 200])
def test_the_wait_grows_and_has_a_limit(attempts: int) -> None:
    assert 1 <= wait_seconds(attempts) <= 900
