"""Every pod is hardened, whichever workload it belongs to and whichever resource declares it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack.mocked_stack import RELEASE, Stack, containers, declare, pods, settings, zone_quotas
from tests.support.stack.service_accounts import CLINIC
from workloads.zones.workload_table import Workload, table

VAULT_USERS = {row.service_account for row in table().workloads.values() if row.vault_rules and not row.person}


def released(written: dict[str, Any]) -> None:
    for hospital in written["hospitals"]:
        hospital["release"] = RELEASE


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings(request.param, tmp_path_factory.mktemp("stack"), released))


def test_every_workload_has_a_pod_in_every_hospital(stack: Stack) -> None:
    hospitals = {r.name for r in stack.of("Hospital")}
    found = {(pod["hospital"], pod["serviceAccountName"]) for _, pod in pods(stack)}
    deployed = {
        workload.service_account for workload in declared(stack) if workload.has_account and not workload.person
    }
    assert found == {(hospital, workload) for hospital in hospitals for workload in deployed}


def declared(stack: Stack) -> list[Workload]:
    """Return the workloads of a stack; each of the two has PostgreSQL."""
    production = any(one.type.startswith("aws:rds/") for one in stack.resources)
    return list(table().present(database=True, clinic=production or CLINIC).values())


def test_containers_can_do_nothing_but_compute(stack: Stack) -> None:
    checked = 0
    for name, pod in pods(stack):
        for container in containers(pod):
            may = container["securityContext"]
            assert may["runAsNonRoot"], name
            assert may["readOnlyRootFilesystem"], name
            assert may["allowPrivilegeEscalation"] is False, name
            assert may["capabilities"] == {"drop": ["ALL"]}, name
            assert may["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert may["runAsUser"] == may["runAsGroup"] == 65532, name
            checked += 1
    assert checked >= 6


def test_pods_hold_only_the_credentials_that_they_need(stack: Stack) -> None:
    users = {row.service_account for row in declared(stack) if row.vault_rules and not row.person}
    roles = {row.service_account for row in declared(stack) if row.has_role}
    for name, pod in pods(stack):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert all(set(volume) <= {"name", "emptyDir", "projected", "configMap"} for volume in volumes.values())
        assert all(v["emptyDir"]["sizeLimit"] for v in volumes.values() if "emptyDir" in v), name
        uses_vault = pod["serviceAccountName"] in users
        assert ("vault-token" in volumes) == uses_vault, name
        uses_aws = pod["serviceAccountName"] in roles
        assert ("aws-token" in volumes) == uses_aws, name
        if uses_aws:
            [token] = volumes["aws-token"]["projected"]["sources"]
            assert token["serviceAccountToken"]["audience"] == "sts.amazonaws.com"


def test_images_are_named_by_digest(stack: Stack) -> None:
    images = {container["image"] for _, pod in pods(stack) for container in containers(pod)}
    assert len(images) == 3
    assert all(re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", image) for image in images)


def test_images_of_production_come_from_the_account_s_registry(tmp_path: Path) -> None:
    prod = declare(settings("prod", tmp_path, released))
    images = {container["image"] for _, pod in pods(prod) for container in containers(pod)}
    assert len(images) == 3
    assert all(re.match(r"\d{12}\.dkr\.ecr\.us-east-1\.amazonaws\.com/hmlops-prod/", image) for image in images)


def test_containers_have_requests_and_limits(stack: Stack) -> None:
    for name, pod in pods(stack):
        for container in containers(pod):
            for bound in ("requests", "limits"):
                assert container["resources"][bound].keys() == {"cpu", "memory"}, name


def test_volume_mounts_name_volumes_of_their_pod(stack: Stack) -> None:
    for name, pod in pods(stack):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in containers(pod):
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes, name


def test_the_model_server_is_probed_with_its_own_certificate_and_drains(stack: Stack) -> None:
    for runtime in stack.of("ServingRuntime"):
        [server] = runtime.inputs["spec"]["containers"]
        paths = {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
        for probe, path in paths.items():
            command = ["python3", "-m", "services.probe", f"https://127.0.0.1:8443{path}"]
            assert server[probe]["exec"]["command"] == command
        assert server["lifecycle"]["preStop"]["sleep"]["seconds"] > 0
        assert [(port["name"], port["containerPort"]) for port in server["ports"]] == [("https", 8443)]


def test_planning_alone_may_call_the_model_server(stack: Stack) -> None:
    for runtime in stack.of("ServingRuntime"):
        hospital = runtime.metadata["labels"]["healthcare-mlops/hospital"]
        env = {entry["name"]: entry.get("value") for entry in runtime.inputs["spec"]["containers"][0]["env"]}
        assert env["TLS_CALLERS"] == f"spiffe://hmlops/{hospital}/planner"
    for service in stack.of("InferenceService"):
        annotations = service.inputs["spec"]["predictor"]["annotations"]
        assert annotations["vault.hashicorp.com/agent-inject-secret-tls.key"].endswith("issue/model-server")


def test_a_server_trusts_its_own_hospital_s_key_and_one_release(stack: Stack) -> None:
    for runtime in stack.of("ServingRuntime"):
        hospital = runtime.metadata["labels"]["healthcare-mlops/hospital"]
        env = {entry["name"]: entry.get("value") for entry in runtime.inputs["spec"]["containers"][0]["env"]}
        assert env["HMLOPS_TRUSTED_KEYS"] == f"{hospital}-release-signing-public"
    for service in stack.of("InferenceService"):
        env_of_one = service.inputs["spec"]["predictor"]["model"]["env"]
        assert env_of_one == [{"name": "HMLOPS_RELEASE", "value": RELEASE}]


def test_the_initializer_takes_the_role_of_the_pod_that_it_is_put_into(stack: Stack) -> None:
    [container] = stack.of("ClusterStorageContainer")
    env = {entry["name"]: entry for entry in container.inputs["spec"]["container"]["env"]}
    field = env["AWS_ROLE_ARN"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "metadata.annotations['healthcare-mlops/role-arn']"
    for service in stack.of("InferenceService"):
        predictor = service.inputs["spec"]["predictor"]
        assert predictor["storageContainerName"] == container.metadata["name"]
        role = predictor["annotations"]["healthcare-mlops/role-arn"]
        assert role.endswith(f"-{service.metadata['labels']['healthcare-mlops/hospital']}-model-server")


def test_jobs_never_run_twice_at_once_or_for_ever(stack: Stack) -> None:
    for job in stack.of("CronJob"):
        spec = job.inputs["spec"]
        run = spec["jobTemplate"]["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert run["activeDeadlineSeconds"] <= 7200
        assert run["backoffLimit"] <= 3
        assert spec["suspend"] is job.name.endswith(("-reidentify", "-release"))
        # A run that was started by hand must stay until somebody has read its log.
        assert "ttlSecondsAfterFinished" not in run


def test_accounts_have_no_token_and_hardly_a_right(stack: Stack) -> None:
    assert all(account.inputs["automountServiceAccountToken"] is False for account in stack.of("ServiceAccount"))
    bindings = stack.of("ClusterRoleBinding")
    assert {binding.inputs["roleRef"]["name"] for binding in bindings} == {"system:auth-delegator"}
    own = [b for b in bindings if "healthcare-mlops/hospital" in b.metadata["labels"]]
    assert {subject["name"] for b in own for subject in b.inputs["subjects"]} == {
        workload.service_account for workload in declared(stack) if workload.vault_rules
    }
    shared = {subject["name"] for b in bindings if b not in own for subject in b.inputs["subjects"]}
    assert shared <= {"cert-manager"}


def test_a_zone_has_room_for_its_pods(stack: Stack) -> None:
    def mebibytes(text: str) -> int:
        return int(text[:-2]) * (1024 if text.endswith("Gi") else 1)

    quotas = zone_quotas(stack)
    wanted: dict[str, int] = {}
    for _, pod in pods(stack):
        largest = max(mebibytes(container["resources"]["limits"]["memory"]) for container in containers(pod))
        wanted[pod["namespace"]] = wanted.get(pod["namespace"], 0) + largest * pod["copies"]
    assert wanted.keys() <= quotas.keys()
    for namespace, need in wanted.items():
        assert mebibytes(quotas[namespace]["limits.memory"]) >= need, namespace
