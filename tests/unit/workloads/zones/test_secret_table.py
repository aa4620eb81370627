"""The table of secrets: annotations of pods, rules of policies, and rows that are refused."""

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from infra.vault.database_roles import login_roles
from infra.vault.hospital import VaultPolicyRule
from local.injector.annotations import SecretFile, parse
from services.database import grants
from workloads.zones.secret_table import TABLE, SecretTable, secret_table
from workloads.zones.workload_table import TABLE as WORKLOADS
from workloads.zones.workload_table import WorkloadTable


def test_without_secrets_there_are_no_annotations() -> None:
    assert secret_table().pod_annotations((), "north", "planner", job=True) == {}
    assert secret_table().rules((), "planner") == ()


def test_the_files_of_a_secret_come_from_one_request() -> None:
    request = parse(secret_table().pod_annotations(("tls",), "north", "planner", job=False))
    assert request.role == "north-planner"
    assert {file.name for file in request.files} == {"tls.crt", "tls.key", "tls.ca"}
    assert len({file.template.partition("}}")[0] for file in request.files}) == 1
    key = next(file for file in request.files if file.name == "tls.key")
    call = 'secret "north/workload-pki/issue/planner" "uri_sans=spiffe://hmlops/north/planner"'
    assert key == SecretFile("tls.key", f"{{{{ with {call} }}}}{{{{ .Data.private_key }}}}{{{{ end }}}}", "0400")


@pytest.mark.parametrize(("job", "sidecar"), [(True, False), (False, True)])
def test_a_job_has_no_sidecar(job: bool, sidecar: bool) -> None:
    request = parse(secret_table().pod_annotations(("tls",), "north", "planner", job=job))
    assert (request.init, request.sidecar, request.init_first) == (True, sidecar, True)
    agent = secret_table().agent
    assert request.resources == {"requests": agent.requests.quantities, "limits": agent.limits.quantities}


def test_a_login_of_the_database_is_a_file_with_the_login_alone() -> None:
    request = parse(secret_table().pod_annotations(("database-audit-reader",), "north", "audit-anchor", job=False))
    call = 'secret "north/database/creds/audit-reader"'
    file = SecretFile("database-audit.json", f"{{{{ with {call} }}}}{{{{ .Data | toJSON }}}}{{{{ end }}}}", "0400")
    assert request.files == (file,)
    assert secret_table().rules(("database-audit",), "planner") == (
        VaultPolicyRule("database/creds/audit-writer", "read"),
    )


def test_each_login_is_of_a_role_that_vault_has_and_its_file_is_named_by_the_database() -> None:
    databases = grants.read().roles
    logins = {name: secret for name, secret in secret_table().secrets.items() if secret.is_database_login}
    assert len(logins) == 8
    for secret in logins.values():
        group = login_roles()[secret.vault.path.removeprefix("database/creds/")]
        assert [f"database-{database}.json" for database in databases[group].databases] == [*secret.files]


def test_a_secret_adds_its_rule_for_the_own_service_account() -> None:
    rules = secret_table().rules(("tls",), "planner")
    assert rules == (VaultPolicyRule("workload-pki/issue/planner", "update"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": {"../x": "a"}}, "files"),
        ({"files": {"X": "a"}}, "files"),
        ({"vault": {"path": "x", "capability": "sudo"}}, "capability"),
        ({"env": "X"}, "env"),
    ],
)
def test_other_rows_are_refused(change: dict[str, Any], message: str) -> None:
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    document["secrets"]["tls"] |= change
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(SecretTable).validate_python(document)


def test_a_workload_s_secrets_are_in_the_table() -> None:
    document = yaml.safe_load(WORKLOADS.read_text(encoding="utf-8"))
    document["workloads"]["planning"]["secrets"] = ["moon"]
    with pytest.raises(ValidationError, match="secret moon, which"):
        TypeAdapter(WorkloadTable).validate_python(document)


def test_two_secrets_of_a_workload_are_never_the_same_file() -> None:
    document = yaml.safe_load(WORKLOADS.read_text(encoding="utf-8"))
    document["workloads"]["planning"]["secrets"] = ["database-audit", "database-audit-reader"]
    with pytest.raises(ValidationError, match=r"planning has two secrets with the file database-audit\.json"):
        TypeAdapter(WorkloadTable).validate_python(document)
