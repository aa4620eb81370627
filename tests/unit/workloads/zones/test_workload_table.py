"""The workload table: typed rows, and rows that are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from infra.blocks.bucket_grants import Access, BucketGrant
from infra.settings import DataClass
from infra.settings.hospital import Replicas
from tests.support.stack.mocked_stack import settings
from workloads.zones.workload_table import INGEST, PLANNING, TABLE, WorkloadTable, row, table

CRON_JOB = {"name": "new", "schedule": "0 1 * * *", "timeout_minutes": 5}
JOB = {"zone": "data", "pool": "batch", "service_account": "new", "pods": {"resources": "job"}, "cron_job": CRON_JOB}


def refused(change: dict[str, Any]) -> str:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    document["workloads"]["new"] = {**JOB, **change}
    with pytest.raises(ValidationError) as error:
        TypeAdapter(WorkloadTable).validate_python(document)
    return str(error.value)


def test_a_new_row_needs_no_permissions() -> None:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    document["workloads"]["new"] = JOB
    new = TypeAdapter(WorkloadTable).validate_python(document)
    assert not new.workloads["new"].has_role
    assert new.grants("new") == ()


def test_a_service_has_a_size_of_its_own_and_a_job_has_not() -> None:
    assert row(PLANNING).own_size() == row(PLANNING).pods.resources
    with pytest.raises(ValueError, match=f"workload {row(INGEST).service_account} needs a size of its own"):
        row(INGEST).own_size()


@pytest.mark.parametrize(("replicas", "number"), [("hospital", 2), (3, 3)])
def test_the_number_of_pods_is_the_hospital_s_or_the_row_s(replicas: Any, number: int, tmp_path: Path) -> None:
    [hospital, *_] = settings("dev", tmp_path).hospitals
    hospital = hospital.model_copy(update={"replicas": Replicas(min=2, max=5)})
    assert replace(row(PLANNING).pods, replicas=replicas).number(hospital) == number


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service_account": "trainer"}, "shares the ServiceAccount trainer"),
        ({"service_account": "New Account"}, "service_account"),
        ({"service_account": ""}, "service_account"),
        (
            {"buckets": [{"location": "moon", "access": "read"}]},
            "location moon, which workloads.yaml",
        ),
        ({"buckets": [{"location": "tables", "access": "delete"}]}, "access"),
        ({"buckets": [{"location": "tables", "access": "read", "prefix": "x"}]}, "prefix"),
        ({"buckets": [{"location": "tables"}]}, "access"),
        ({"vault": [{"path": "transit/x", "capability": "sudo"}]}, "capability"),
        ({"vault": [{"path": "transit/x", "capability": "read", "policy": "x"}]}, "policy"),
        ({"ports": {"http": 0}}, "ports.http"),
        ({"ports": {"http": 65536}}, "ports.http"),
        ({"ports": {"http": "web"}}, "ports.http"),
        ({"pods": {"resources": "huge"}}, "pods.resources"),
        ({"pods": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}}, "pods.resources"),
        ({"pods": {"resources": "job", "replicas": -1}}, "pods.replicas"),
        ({"pods": {"resources": "job", "containers": 0}}, "pods.containers"),
        ({"cron_job": {**CRON_JOB, "schedule": "daily"}}, "cron_job.schedule"),
        ({"cron_job": {**CRON_JOB, "schedule": "0 1 * *"}}, "cron_job.schedule"),
        ({"cron_job": {**CRON_JOB, "name": "n" * 53}}, "cron_job.name"),
        ({"cron_job": {**CRON_JOB, "timeout_minutes": 0}}, "cron_job.timeout_minutes"),
        ({"cron_job": {**CRON_JOB, "tmp": "1 GB"}}, "cron_job.tmp"),
        ({"cron_job": {**CRON_JOB, "suspended": True}}, "suspended"),
        ({"schedule": "0 1 * * *"}, "schedule"),
        ({"zone": None}, "zone"),
        ({"pool": "urgent"}, "pool urgent, which pools.yaml does not define"),
        ({"pool": "clinical"}, "new is a Job, and its pool clinical may not be empty"),
        ({"cron_job": None}, "new is no Job, and its pool batch may be empty"),
    ],
)
def test_a_row_that_cannot_be_deployed_is_refused(change: dict[str, Any], message: str) -> None:
    assert message in refused(change)


@pytest.mark.parametrize("prefix", ["tables", "/tables/", "../", "Tables/", "*"])
def test_a_prefix_that_is_not_a_folder_is_refused(prefix: str) -> None:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    document["locations"]["tables"]["prefix"] = prefix
    with pytest.raises(ValidationError, match="prefix"):
        TypeAdapter(WorkloadTable).validate_python(document)


def test_permissions_become_grants_on_the_location_s_prefix() -> None:
    assert table().grants("features") == (
        BucketGrant(DataClass.CURATED, "tables/", Access.READ),
        BucketGrant(DataClass.CURATED, "features/", Access.REPLACE),
    )
    assert [grant.head_bucket for grant in table().grants("model-server")] == [True]


def test_only_ingestion_reads_raw_phi() -> None:
    readers = {name for name in table().workloads for grant in table().grants(name) if grant.data is DataClass.RAW}
    assert readers == {"ingest"}


def test_without_postgresql_some_workloads_are_absent_and_others_lose_their_login() -> None:
    base = replace(row(PLANNING), cron_job=None, ports={}, secrets=("tls", "database-audit"))
    assert base.uses_database
    assert base.without_database() is None
    optional = replace(base, optional_database=True)
    assert optional.without_database() == replace(optional, secrets=("tls",))
    assert "database" in table().present(database=True, clinic=False)
    assert "database" not in table().present(database=False, clinic=False)
    assert not row(INGEST).administers_database
