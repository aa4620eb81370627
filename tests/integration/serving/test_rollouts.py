"""Each workload that answers is replaced while requests pass: none fails, and none is without its record."""

import json
import time
from collections import Counter
from collections.abc import Callable

import pytest
from kubernetes import client

from local.hospitals.patient_record import Stay
from local.paths import Home
from model.warehouse.tables import FEATURES, SCHEMA
from tests.integration.care.clinic import Clinic, Json
from tests.integration.gateway.gateway_callers import Callers
from tests.integration.gateway.live_load import DISCOVERY, HOOK, REFUSED, SCORES, LiveLoad, unrecorded
from tests.integration.support import eventually
from tests.support.serving.rollouts import WORKLOADS, Rollout
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITAL, UNIT = "north", "medicine"
# A card takes care seconds of processor time: it is asked for now and then, where care or what it calls is replaced.
WITH_CARDS, CARD_PAUSE_SECONDS = {"planner", "care"}, 5.0
SECONDS = 150
Property = Callable[[str, object], None]


@pytest.fixture(scope="module")
def stay(clinic: Clinic) -> Stay:
    return clinic.stay(UNIT)


@pytest.fixture(scope="module")
def wanted(clinic: Clinic) -> Json:
    """An encounter of the features file, for which planning asks the model server."""
    query = f"SELECT index_id AS encounter, patient_id AS patient FROM {SCHEMA}.{FEATURES} ORDER BY 1 LIMIT 1"
    [row] = clinic.rows("warehouse", query)
    return row


@pytest.mark.parametrize("workload", WORKLOADS)
def test_no_request_is_lost_when_its_pod_is_replaced(
    clinic: Clinic,
    home: Home,
    api: client.ApiClient,
    stay: Stay,
    wanted: Json,
    workload: str,
    record_property: Property,
) -> None:
    before, rollout = clinic.last_record(), Rollout(api, HOSPITAL, workload)
    clients = (SCORES, DISCOVERY, REFUSED, *((HOOK,) if workload in WITH_CARDS else ()))
    with LiveLoad(clinic, Callers(home, HOSPITAL), stay, clients, wanted, CARD_PAUSE_SECONDS) as load:
        load.wait(lambda _: all(load.answered(name, 0) for name in (SCORES, DISCOVERY, REFUSED)))
        rollout.start()
        eventually(rollout.done, SECONDS)
        after = time.monotonic()
        load.wait(lambda _: all(len(load.answered(name, after)) > 1 for name in (SCORES, DISCOVERY, REFUSED)))
    record_property("requests", json.dumps(Counter(one.client for one in load.attempts)))
    # On a busy machine the gateway may not wait for a card, which is made and recorded all the same.
    assert [one for one in load.attempts if not one.expected and (one.client, one.status) != (HOOK, 504)] == []
    assert unrecorded(clinic, load.attempts, before) == []
    # The model server was asked, and nobody got a fallback because it could not be.
    assert "scored" in {one.value for one in load.attempts if one.client == SCORES}
    assert "model-unavailable" not in {one.get("fallback_reason") for one in clinic.records_after(before)}
    # What the gateway refused is on record, also where its recorder was replaced.
    refused = sum(one.client == REFUSED for one in load.attempts)
    eventually(lambda: _refusals(clinic, before) >= refused)


def _refusals(clinic: Clinic, before: int) -> int:
    """Return how many refusals of the gateway are on record."""
    return sum((one["service"], one["status"]) == ("gateway", 401) for one in clinic.records_after(before))
