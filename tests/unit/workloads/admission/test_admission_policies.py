"""Admission policies: all of them are bound, deny and fail closed, and their values are those of the other tables."""

import json
from typing import Any

import pytest

from tests.support.stack.mocked_stack import DIGEST, Stack, declare, settings
from tests.support.stack.service_accounts import ZONES
from workloads.admission.admission_table import table
from workloads.zones import workload_table


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod")))


def value(stack: Stack, policy: str, name: str) -> Any:
    own = next(one for one in stack.of("ValidatingAdmissionPolicy") if one.name == f"healthcare-mlops-{policy}")
    return next(json.loads(v["expression"]) for v in own.inputs["spec"]["variables"] if v["name"] == name)


def test_every_policy_denies_and_fails_closed(dev: Stack) -> None:
    policies = {one.name: one.inputs["spec"] for one in dev.of("ValidatingAdmissionPolicy")}
    assert policies.keys() == {f"healthcare-mlops-{name}" for name in table().policies}
    assert {spec["failurePolicy"] for spec in policies.values()} == {"Fail"}
    assert min(len(spec["validations"]) for spec in policies.values()) > 0


def test_every_policy_is_bound_to_the_zones_of_all_hospitals(dev: Stack) -> None:
    bound = {one.inputs["spec"]["policyName"]: one.inputs["spec"] for one in dev.of("ValidatingAdmissionPolicyBinding")}
    assert bound.keys() == {f"healthcare-mlops-{name}" for name in table().policies}
    for name, spec in bound.items():
        assert spec["validationActions"] == ["Deny", "Audit"]
        everywhere = table().policies[name.removeprefix("healthcare-mlops-")].everywhere
        assert ("matchResources" in spec) is not everywhere


def test_accounts_are_those_of_the_workload_table(dev: Stack) -> None:
    accounts = value(dev, "pods", "accounts")
    listed = {label: zone for zone, own in accounts.items() for label in own.values()}
    assert listed == ZONES | {"envoy": "platform"}
    assert accounts["platform"] == {"gateway": "envoy", "gateway-recorder": "gateway-recorder"}


def test_only_workloads_that_log_in_to_vault_have_a_token_of_the_api_server(dev: Stack) -> None:
    audiences = value(dev, "pods", "audiences")
    rows = workload_table.table().workloads.values()
    logging_in = {row.service_account for row in rows if row.vault_rules and not row.person}
    assert {account for account, own in audiences.items() if "" in own} == logging_in


def test_images_are_from_the_registry_of_the_stack(dev: Stack, prod: Stack) -> None:
    assert value(dev, "cron-jobs", "registries")["phi"] == ["hmlops.local/"]
    assert value(prod, "cron-jobs", "registries")["phi"] == [
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/hmlops-prod/"
    ]
    assert DIGEST.startswith("sha256:")


def test_placement_is_that_of_the_node_classes(dev: Stack, prod: Stack) -> None:
    clinical, batch = (f"healthcare-mlops-{pool}" for pool in ("clinical", "batch"))
    assert [own for pools in value(dev, "pods", "selectors").values() for own in pools.values() if own] == []
    selectors = value(prod, "pods", "selectors")
    assert selectors["data"][batch] == {"healthcare-mlops/node-class": "batch"}
    assert selectors["serving"][clinical] == {"healthcare-mlops/node-class": "serving"}
    assert selectors["serving"][batch] == {"healthcare-mlops/node-class": "serving-batch"}
    tolerations = value(prod, "pods", "tolerations")
    added = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    assert [one["key"] for one in tolerations["phi"][clinical]] == ["healthcare-mlops/node-class", *added]
    assert [one["key"] for one in tolerations["platform"][clinical]] == added


def test_pods_have_the_priority_of_their_workload_s_pool_alone(dev: Stack) -> None:
    priorities = value(dev, "pods", "priorities")
    assert priorities["care"] == priorities["gateway"] == ["healthcare-mlops-clinical"]
    assert priorities["features"] == ["healthcare-mlops-batch"]
    # A shadow's model servers are not among what clinicians wait for.
    assert priorities["model-server"] == ["healthcare-mlops-clinical", "healthcare-mlops-staging"]
    assert "analyst" not in priorities


def test_the_deployer_is_known_by_the_group_of_its_access_entry(prod: Stack) -> None:
    groups = {one.name: one.inputs["kubernetesGroups"] for one in prod.of("AccessEntry")}
    assert groups["deployer"] == value(prod, "zone-objects", "deployers")
    assert groups["break-glass"] == value(prod, "pod-access", "administrators")
