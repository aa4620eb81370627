"""Quotas of zones: the pods of the workload table, and none in zones without workloads."""

from pathlib import Path

import pytest

from infra.settings import Amount, Canary, FurtherModel, Release, Resources, Settings, Shadow
from infra.settings.hospital import Replicas
from tests.support.stack.mocked_stack import settings
from workloads.zones.quotas import CLOSED_QUOTA, zone_quotas
from workloads.zones.secret_table import secret_table
from workloads.zones.workload_table import table

WITHOUT_DATABASE = table().present(database=False, clinic=False)
JOB = Resources(requests=Amount.of(500, 1024), limits=Amount.of(1000, 2048))
SERVER = Resources(requests=Amount.of(20, 64), limits=Amount.of(2000, 4096))


@pytest.fixture
def prod(tmp_path: Path) -> Settings:
    stack = settings("prod", tmp_path)
    return stack.model_copy(update={"sizes": stack.sizes.model_copy(update={"job": JOB})})


def test_a_zone_of_cron_jobs_admits_each_twice(prod: Settings) -> None:
    quota = zone_quotas(prod, prod.hospitals[0], WITHOUT_DATABASE)["data"]
    assert (quota.pods, quota.container, quota.load_balancers) == (6, JOB, 0)
    assert quota.total == Resources(requests=Amount.of(3000, 6144), limits=Amount.of(6000, 12288))


def test_the_serving_zone_admits_one_server_more_than_the_hospital_s_maximum(prod: Settings) -> None:
    hospital = prod.hospitals[0].model_copy(update={"replicas": Replicas(min=2, max=5), "resources": SERVER})
    quota = zone_quotas(prod, hospital, WITHOUT_DATABASE)["serving"]
    assert quota.pods == 5 + 1
    # The storage initializer requests more than this server, and counts instead; Vault's agent runs beside both.
    assert quota.total.requests == Amount.of(6 * (50 + 10), 6 * (128 + 64))
    assert quota.total.limits == Amount.of(6 * (2000 + 250), 6 * (4096 + 128))
    assert quota.container == Resources(requests=Amount.of(50, 128), limits=Amount.of(2000, 4096))


def test_the_serving_zone_admits_as_many_servers_for_each_release(prod: Settings) -> None:
    one = prod.hospitals[0].model_copy(update={"release": Release("v1", "0" * 12)})
    three = one.model_copy(
        update={
            "canary": Canary(release="v2@000000000000", percent=10),
            "models": (FurtherModel(name="boosted", release="v3@000000000000", applications=("north-research",)),),
        }
    )
    single, triple = (zone_quotas(prod, hospital, WITHOUT_DATABASE) for hospital in (one, three))
    assert single == zone_quotas(prod, prod.hospitals[0], WITHOUT_DATABASE)
    assert triple["serving"].pods == 3 * single["serving"].pods
    assert triple["serving"].total == single["serving"].total.times(3)
    assert {**triple, "serving": None} == {**single, "serving": None}


def test_the_pods_of_a_shadow_are_of_another_pool_than_those_that_answer(prod: Settings) -> None:
    one = prod.hospitals[0].model_copy(update={"release": Release("v1", "0" * 12)})
    two = one.model_copy(update={"shadow": Shadow(release="v2@000000000000", percent=10)})
    before, after = (zone_quotas(prod, hospital, WITHOUT_DATABASE)["serving"] for hospital in (one, two))
    assert after.pools["clinical"] == before.pools["clinical"]
    # A canary that is withdrawn becomes a shadow by an update that may add no resource.
    assert before.pools["staging"].pods == 0
    assert after.pools["staging"] == before.pools["clinical"]
    assert after.pods == 2 * before.pods


def test_the_parts_of_the_pools_are_the_quota_of_the_zone(prod: Settings) -> None:
    for zone, quota in zone_quotas(prod, prod.hospitals[0], table().present(database=True, clinic=True)).items():
        assert sum(part.pods for part in quota.pools.values()) == quota.pods, zone
        for name in ("requests", "limits"):
            parts = [getattr(part.total, name) for part in quota.pools.values()]
            whole = getattr(quota.total, name)
            assert (sum(part.cpu for part in parts), sum(part.memory for part in parts)) == (whole.cpu, whole.memory)


def test_the_serving_zone_admits_planning_up_to_the_hospital_s_maximum_and_one_more(prod: Settings) -> None:
    hospital = prod.hospitals[0].model_copy(update={"replicas": Replicas(min=2, max=5)})
    present = table().present(database=True, clinic=False)
    planned, unplanned = (zone_quotas(prod, hospital, one)["serving"] for one in (present, WITHOUT_DATABASE))
    assert planned.pools["clinical"].pods - unplanned.pools["clinical"].pods == 5 + 1


def test_no_more_jobs_score_at_once_than_their_pool_admits(prod: Settings) -> None:
    quota = zone_quotas(prod, prod.hospitals[0], table().present(database=True, clinic=False))["serving"]
    assert quota.pools["batch"].pods == 2
    # Where all want the processor, both together get a fifth of one pod of planning.
    planning = table().workloads["planning"].own_size().requests.cpu
    assert quota.pools["batch"].total.requests.cpu == planning / 5


def test_a_job_smaller_than_vault_s_agent_is_counted_with_the_agent_s_limit(prod: Settings) -> None:
    """Kubernetes counts the larger of an init container and the containers: with less, no Job would get a pod."""
    workload = table().workloads["score"]
    agent = secret_table().agent
    assert workload.own_size().limits.cpu < agent.limits.cpu
    quota = zone_quotas(prod, prod.hospitals[0], {"score": workload})["serving"]
    assert quota.total.limits.cpu == quota.pods * agent.limits.cpu


def test_the_platform_zone_admits_a_gateway_where_the_stack_has_one(prod: Settings) -> None:
    quota = zone_quotas(prod, prod.hospitals[0], WITHOUT_DATABASE)["platform"]
    assert (quota.pods, quota.load_balancers) == (7, 1)
    assert quota.total.limits == Amount.of(14 * 1000, 14 * 512)
    without = prod.model_copy(update={"gateway": None})
    assert zone_quotas(without, prod.hospitals[0], WITHOUT_DATABASE)["platform"] == CLOSED_QUOTA


def test_without_workloads_no_zone_admits_a_pod(prod: Settings) -> None:
    quotas = zone_quotas(prod, prod.hospitals[0], {})
    assert all(quota == CLOSED_QUOTA for quota in quotas.values())
    assert quotas.keys() == {"phi", "serving", "data", "platform"}
