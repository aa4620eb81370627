"""Quotas of zones: the pods of the workload table, and none in zones without workloads."""

import dataclasses
from pathlib import Path

import pytest

from infra.settings.values import Amount, Leaving, Replicas, Resources, Settings
from tests.support.mocked_stack import settings
from workloads.zones.quotas import CLOSED_QUOTA, zone_quotas

JOB = Resources(Amount(500, 1024), Amount(1000, 2048))
SERVER = Resources(Amount(20, 64), Amount(2000, 4096))


@pytest.fixture
def prod(tmp_path: Path) -> Settings:
    stack = settings("prod", tmp_path)
    return dataclasses.replace(stack, sizes=dataclasses.replace(stack.sizes, job=JOB))


def test_a_zone_of_cron_jobs_admits_each_twice(prod: Settings) -> None:
    quota = zone_quotas(prod, prod.hospitals[0])["data"]
    assert (quota.pods, quota.container, quota.load_balancers) == (4, JOB, 0)
    assert quota.total == Resources(Amount(2000, 4096), Amount(4000, 8192))


def test_the_serving_zone_admits_one_server_more_than_the_hospital_s_maximum(prod: Settings) -> None:
    hospital = dataclasses.replace(prod.hospitals[0], replicas=Replicas(2, 5), model_server=SERVER)
    quota = zone_quotas(prod, hospital)["serving"]
    assert quota.pods == 5 + 1 + 2
    # The storage initializer requests more than this server, and counts instead.
    assert quota.total.requests == Amount(6 * 50 + 2 * 500, 6 * 128 + 2 * 1024)
    assert quota.total.limits == Amount(6 * 2000 + 2 * 1000, 6 * 4096 + 2 * 2048)
    assert quota.container == Resources(Amount(500, 1024), Amount(2000, 4096))


def test_the_platform_zone_admits_a_gateway_where_the_stack_has_one(prod: Settings) -> None:
    quota = zone_quotas(prod, prod.hospitals[0])["platform"]
    assert (quota.pods, quota.load_balancers) == (3, 1)
    assert quota.total.limits == Amount(6 * 1000, 6 * 512)
    without = dataclasses.replace(prod, gateway=None)
    assert zone_quotas(without, prod.hospitals[0])["platform"] == CLOSED_QUOTA


@pytest.mark.parametrize("leaving", list(Leaving))
def test_a_leaving_hospital_has_no_pods(prod: Settings, leaving: Leaving) -> None:
    quotas = zone_quotas(prod, dataclasses.replace(prod.hospitals[0], leaving=leaving))
    assert set(quotas.values()) == {CLOSED_QUOTA}
    assert quotas.keys() == {"phi", "serving", "data", "platform"}
