"""Certificates of workloads: each ServiceAccount's role issues one URI, for hours."""

import pytest

from infra.vault.workload_pki import CERTIFICATE_SECONDS
from tests.support.stack.mocked_stack import Stack, declare, settings
from tests.support.stack.service_accounts import ROWS
from workloads.zones.secret_table import TLS

# Its certificate is requested by cert-manager.
GATEWAY = "envoy"
ACCOUNTS = {row.service_account: row.zone for row in ROWS.values() if TLS in row.secrets}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev")))


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_a_role_issues_the_uri_of_its_service_account_and_nothing_else(stack: Stack, hospital: str) -> None:
    mount = f"{hospital}/workload-pki"
    roles = {
        role.inputs["name"]: role.inputs for role in stack.of("SecretBackendRole") if role.inputs["backend"] == mount
    }
    assert roles.keys() == {*ACCOUNTS, GATEWAY}
    for account in ACCOUNTS:
        role = roles[account]
        assert role["allowedUriSans"] == [f"spiffe://hmlops/{hospital}/{account}"]
        assert role["allowedDomains"] == []
        loose = ("allowSubdomains", "allowLocalhost", "allowIpSans", "allowWildcardCertificates", "allowBareDomains")
        assert not any(role[name] for name in loose)
        assert int(role["maxTtl"]) == int(role["ttl"]) == CERTIFICATE_SECONDS <= 24 * 3600


def test_a_workload_may_ask_for_its_own_certificate_alone(stack: Stack) -> None:
    policies = {policy.inputs["name"]: policy.inputs["policy"] for policy in stack.of("Policy")}
    for account in ACCOUNTS:
        rule = f'path "north/workload-pki/issue/{account}" {{\n  capabilities = ["update"]\n}}\n'
        assert rule in policies[f"north-{account}"]
    asking = {name for name, text in policies.items() if "/workload-pki/" in text}
    assert asking == {f"{hospital}-{account}" for hospital in ("north", "south") for account in (*ACCOUNTS, GATEWAY)}


def test_a_workload_with_secrets_logs_in_from_its_own_namespace(stack: Stack) -> None:
    roles = {role.inputs["roleName"]: role.inputs for role in stack.of("AuthBackendRole")}
    for account, zone in ACCOUNTS.items():
        role = roles[f"south-{account}"]
        assert role["boundServiceAccountNames"] == [account]
        assert role["boundServiceAccountNamespaces"] == [f"south-{zone}"]
