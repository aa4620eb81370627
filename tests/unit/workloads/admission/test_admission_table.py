"""The admission table: what it repeats of other tables is the same there, and variables are declared before use."""

import json
import re
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from infra.settings import ClusterKind, DataClass, names
from workloads.admission.admission_table import TABLE, AdmissionTable, table
from workloads.platform import charts
from workloads.serving import gateway_routes
from workloads.zones import workload_table

TEXT = TABLE.read_text(encoding="utf-8")


def test_a_policy_has_a_pod_or_rules() -> None:
    written: dict[str, Any] = yaml.safe_load(TEXT)
    del written["policies"]["services"]["rules"]
    with pytest.raises(ValidationError, match=r"policy services of admission\.yaml needs either a pod or rules"):
        TypeAdapter(AdmissionTable).validate_python(written)


def test_every_variable_follows_those_that_it_uses() -> None:
    values = {name: json.dumps(name) for name, written in table().variables.items() if written is None}
    for policy in table().policies.values():
        known: set[str] = set()
        for variable in table().variables_of(policy, values):
            assert set(re.findall(r"variables\.(\w+)", variable.expression)) <= known
            known.add(variable.name)
        for rule in table().rules(policy):
            assert set(re.findall(r"variables\.(\w+)", f"{rule.expression} {rule.message}")) <= known
            assert not {"{pod}", "{bound}"} & set(re.findall(r"\{\w+\}", rule.expression))


def test_every_variable_is_used() -> None:
    used = set(re.findall(r"variables\.(\w+)", TEXT))
    assert set(table().variables) == used


def test_releases_lie_where_the_workload_table_has_them() -> None:
    location = workload_table.table().locations["releases"]
    bucket = names.bucket("dev", "north", location.data)
    assert location.data is DataClass.MODELS
    assert bucket == "hmlops-dev-" + "north" + "-models"
    assert TEXT.count(f"-models/{location.prefix}'") == 2


def test_the_gateway_is_the_one_that_the_stack_deploys() -> None:
    chart = next(chart for chart in charts.table().charts if chart.name == "envoy-gateway")
    own = table().gateway
    assert own.service_account == gateway_routes.NAME
    assert own.tagged_images == (f"docker.io/envoyproxy/gateway:{chart.version}",)
    assert own.audience.split(".")[1] == chart.namespace
    assert table().gateway_controller.split(":")[2] == chart.namespace


def test_every_cluster_has_a_deployer_an_administrator_and_kserve() -> None:
    for groups in (table().deployers, table().administrators, table().kserve):
        assert groups.keys() == set(ClusterKind)
