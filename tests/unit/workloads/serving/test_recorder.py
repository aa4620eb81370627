"""The recorder as it is declared: its settings, who reaches it, how the gateway knows it, and where it is absent."""

from typing import Any

import pytest

from services.recorder.settings import Settings as RecorderSettings
from services.transport import ServerSettings, SpiffeId
from tests.support.stack.mocked_stack import Declared, Stack, declare, settings

NAME, NAMESPACE = "gateway-recorder", "north-platform"


def programs_alone(written: dict[str, Any]) -> None:
    """Leave south neither an EHR nor sign-in: its gateway serves programs."""
    del written["hospitals"][1]["signIn"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), programs_alone))


def of(stack: Stack, kind: str, name: str = NAME, namespace: str = NAMESPACE) -> Declared:
    own = [one for one in stack.of(kind) if one.inputs.get("metadata", {}).get("namespace") == namespace]
    [found] = [one for one in own if one.metadata["name"] == name]
    return found


def environment(stack: Stack) -> dict[str, str]:
    [container] = of(stack, "Deployment").inputs["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}


def test_its_variables_are_its_settings(stack: Stack) -> None:
    variables = environment(stack)
    read, tls = RecorderSettings.from_environment(variables), ServerSettings.from_environment(variables)
    assert read.hospital == "north"
    assert read.gateway_metrics == "gateway-metrics.north-platform.svc.cluster.local:19001"
    assert (read.database_server.host, read.database_server.port) == ("172.31.250.1", 5432)
    assert (tls.callers, tls.port) == ((SpiffeId("north", "envoy"),), 8443)


def test_it_has_an_audit_login_and_its_certificate_and_nothing_of_aws(stack: Stack) -> None:
    template = of(stack, "Deployment").inputs["spec"]["template"]
    prefix = "vault.hashicorp.com/agent-inject-secret-"
    annotations = template["metadata"]["annotations"]
    secrets = {name.removeprefix(prefix): path for name, path in annotations.items() if name.startswith(prefix)}
    assert secrets.keys() == {"tls.crt", "tls.key", "tls.ca", "database-audit.json"}
    assert secrets["database-audit.json"] == "north/database/creds/audit-writer"
    assert not [name for name in environment(stack) if name.startswith("AWS_")]
    assert {volume["name"] for volume in template["spec"]["volumes"]} == {"tmp", "vault-token", "platform-ca"}
    assert not [one for one in stack.of("Role") if NAME in one.name]
    assert of(stack, "ServiceAccount").inputs["automountServiceAccountToken"] is False


def test_the_kubelet_asks_for_a_handshake(stack: Stack) -> None:
    [container] = of(stack, "Deployment").inputs["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == ["python3", "-m", "services.probe", "tls://127.0.0.1:8443"]


def test_it_connects_to_what_it_needs_and_the_gateway_alone_to_it(stack: Stack) -> None:
    policies = {
        one.metadata["name"]: one.inputs["spec"]
        for one in stack.of("NetworkPolicy")
        if one.metadata["namespace"] == NAMESPACE
    }
    own = {name for name in policies if name.startswith(f"{NAME}-")}
    assert own == {f"{NAME}-to-{peer}" for peer in ("dns", "vault", "postgresql", "envoy")} | {f"{NAME}-from-envoy"}
    [entered] = policies[f"envoy-from-{NAME}"]["ingress"]
    assert entered["ports"] == [{"port": 19001, "protocol": "TCP"}]


def test_the_gateway_sends_refusals_to_a_port_that_its_service_has(stack: Stack) -> None:
    logs = of(stack, "EnvoyProxy", "gateway").inputs["spec"]["telemetry"]["accessLog"]["settings"]
    sinks = [sink for one in logs for sink in one["sinks"] if sink["type"] == "OpenTelemetry"]
    assert {one["type"] for one in logs if "matches" in one} == {"Route", "Listener"}
    service = of(stack, "Service").inputs["spec"]
    for sink in sinks:
        [backend] = sink["openTelemetry"]["backendRefs"]
        assert (backend["kind"], backend["name"]) == ("Service", NAME)
        assert backend["port"] in {port["port"] for port in service["ports"]}
    assert [port["targetPort"] for port in service["ports"]] == [8443]


def test_the_gateway_verifies_who_takes_its_refusals(stack: Stack) -> None:
    policy = of(stack, "BackendTLSPolicy", "gateway-recorder").inputs["spec"]
    [target] = policy["targetRefs"]
    assert (target["kind"], target["name"]) == ("Service", NAME)
    [authority] = policy["validation"]["caCertificateRefs"]
    assert of(stack, "ConfigMap", authority["name"]).inputs["data"] == {"ca.crt": "certificate of north/workload-pki"}
    [identity] = policy["validation"]["subjectAltNames"]
    assert identity["uri"] == f"spiffe://hmlops/north/{NAME}"


def test_the_name_of_the_metrics_has_the_address_of_each_pod_of_the_gateway(stack: Stack) -> None:
    spec = of(stack, "Service", "gateway-metrics").inputs["spec"]
    assert spec["clusterIP"] == "None"
    assert spec["publishNotReadyAddresses"] is True
    assert spec["selector"] == {"app.kubernetes.io/name": "envoy"}
    assert [(port["port"], port["targetPort"]) for port in spec["ports"]] == [(19001, 19001)]


def test_a_gateway_of_programs_alone_has_one_too(stack: Stack) -> None:
    assert of(stack, "Deployment", namespace="south-platform").metadata["name"] == NAME
    assert not [one for one in stack.of("Deployment") if one.metadata["namespace"] == "south-phi"]


def test_production_records_refusals_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    prod = declare(settings("prod", tmp_path_factory.mktemp("prod")))
    assert of(prod, "Deployment").inputs["spec"]["replicas"] > 1
    for proxy in prod.of("EnvoyProxy"):
        logs = proxy.inputs["spec"]["telemetry"]["accessLog"]["settings"]
        assert [sink["type"] for log in logs for sink in log["sinks"]] == ["File", "OpenTelemetry", "OpenTelemetry"]
