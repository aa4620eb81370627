"""What the program declares in Vault: logins, and a hospital's mounts."""

import pytest

from infra.settings import Settings, VaultServer
from tests.support.stack.mocked_stack import Stack, declare, settings


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings("prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="module")
def stack(prod: Settings) -> Stack:
    return declare(prod)


def test_the_server_s_configuration_has_the_audit_devices(prod: Settings, stack: Stack) -> None:
    assert len(prod.vault.audit_devices) == 2
    with pytest.raises(LookupError):
        stack.of("Audit")


def test_logins_are_limited(stack: Stack) -> None:
    [quota] = stack.of("QuotaRateLimit")
    [backend] = stack.of("AuthBackend")
    assert quota.inputs["path"] == f"auth/{backend.inputs['path']}/login"
    assert 0 < quota.inputs["rate"] <= 20


def test_a_managed_vault_is_called_in_its_namespace(prod: Settings) -> None:
    stack = declare(prod.model_copy(update={"vault": VaultServer(namespace="admin/hospitals")}))
    [provider] = [resource for resource in stack.resources if resource.type == "pulumi:providers:vault"]
    assert provider.inputs["namespace"] == "admin/hospitals"


def test_a_hospital_s_authority_of_clients_signs_for_its_own_programs_alone(prod: Settings, stack: Stack) -> None:
    [root] = [root for root in stack.of("SecretBackendRootCert") if root.inputs["backend"] == "north/pki"]
    assert root.inputs["type"] == "internal"
    [role] = [role.inputs for role in stack.of("SecretBackendRole") if role.inputs["backend"] == "north/pki"]
    assert role["name"] == "program"
    assert tuple(role["allowedDomains"]) == prod.hospitals[0].client_certificates != ()
    assert (role["serverFlag"], role["clientFlag"]) == (False, True)
    assert role["allowBareDomains"]
    loose = ("allowSubdomains", "allowLocalhost", "allowIpSans", "allowWildcardCertificates")
    assert not any(role[name] for name in loose)
    assert int(role["maxTtl"]) <= 90 * 86400


def test_the_authority_of_workloads_signs_for_the_gateway_s_hosts_and_its_own_uri(stack: Stack) -> None:
    roles = [role.inputs for role in stack.of("SecretBackendRole") if role.inputs["backend"] == "north/workload-pki"]
    [role] = [role for role in roles if role["name"] == "envoy"]
    hosts = {"north.api.risk.healthcare-mlops.example", "north.risk.healthcare-mlops.example"}
    assert set(role["allowedDomains"]) == hosts
    assert role["allowedUriSans"] == ["spiffe://hmlops/north/envoy"]
    assert int(role["maxTtl"]) == 24 * 3600
    assert (role["serverFlag"], role["clientFlag"]) == (True, True)
    loose = ("allowSubdomains", "allowLocalhost", "allowIpSans", "allowWildcardCertificates")
    assert not any(role[name] for name in loose)


def test_who_asks_for_a_gateway_s_certificate_reaches_that_path_alone(stack: Stack) -> None:
    [policy] = [policy for policy in stack.of("Policy") if policy.inputs.get("name") == "north-envoy"]
    assert policy.inputs["policy"] == 'path "north/workload-pki/sign/envoy" {\n  capabilities = ["update"]\n}\n'
    [role] = [role for role in stack.of("AuthBackendRole") if role.inputs["roleName"] == "north-envoy"]
    assert role.inputs["tokenPolicies"] == ["north-envoy"]
    assert role.inputs["boundServiceAccountNames"] == role.inputs["boundServiceAccountNamespaces"] == ["cert-manager"]
    [issuer] = stack.of("ClusterIssuer")
    assert issuer.inputs["spec"]["vault"]["path"] == "north/workload-pki/sign/envoy"
    assert issuer.inputs["spec"]["vault"]["auth"]["kubernetes"]["role"] == "north-envoy"


def test_without_a_gateway_there_is_no_authority_of_a_gateway(prod: Settings) -> None:
    stack = declare(prod.model_copy(update={"gateway": None}))
    assert [root.inputs["backend"] for root in stack.of("SecretBackendRootCert")] == ["north/workload-pki"]
