"""Gateways: each hospital's programs come in by certificate and token, reach their own model, and are recorded."""

from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError
from tests.support.mocked_stack import RELEASE, Declared, Stack, configuration, declare, like, settings

MODEL = "readmission-risk-v1"


def two(written: dict[str, Any]) -> None:
    """Give production a second hospital, and the first one a release."""
    [north] = written["hospitals"]
    south = like(north, "south", network="10.51.0.0/24", applications=["south-ehr", "south-app"])
    south["contact"] = {"security": "secops@south.example", "baa": "BAA-2026-015"}
    south["fhir"] = {"url": "https://fhir.south.example/r4", "auth": "smart-backend-services", "client": "south-ehr"}
    written["hospitals"] = [{**north, "release": RELEASE}, south]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod"), two))


def of(stack: Stack, kind: str, hospital: str) -> Declared:
    [found] = [r for r in stack.of(kind) if r.metadata["labels"].get("healthcare-mlops/hospital") == hospital]
    return found


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_each_hospital_has_a_gateway_with_a_certificate_of_its_own(stack: Stack, hospital: str) -> None:
    gateway, made = of(stack, "Gateway", hospital), of(stack, "Certificate", hospital)
    host = f"{hospital}.risk.healthcare-mlops.example"
    [listener] = gateway.inputs["spec"]["listeners"]
    assert gateway.metadata["namespace"] == f"{hospital}-platform"
    assert (listener["protocol"], listener["hostname"], listener["tls"]["mode"]) == ("HTTPS", host, "Terminate")
    assert [ref["name"] for ref in listener["tls"]["certificateRefs"]] == [made.inputs["spec"]["secretName"]]
    assert made.inputs["spec"]["dnsNames"] == [host]
    issuer = of(stack, "ClusterIssuer", hospital)
    assert made.inputs["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "name": issuer.metadata["name"]}
    assert issuer.inputs["spec"]["vault"]["path"] == f"{hospital}/pki/sign/envoy"
    login = issuer.inputs["spec"]["vault"]["auth"]["kubernetes"]
    assert (login["role"], login["mountPath"]) == (f"{hospital}-envoy", "/v1/auth/kubernetes")


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_who_shows_no_certificate_of_the_hospital_is_not_heard(stack: Stack, hospital: str) -> None:
    tls = of(stack, "ClientTrafficPolicy", hospital).inputs["spec"]["tls"]
    assert tls["minVersion"] == "1.2"
    assert tls["clientValidation"]["optional"] is False
    made = of(stack, "Certificate", hospital).inputs["spec"]["secretName"]
    assert tls["clientValidation"]["caCertificateRefs"] == [{"kind": "Secret", "name": made}]


@pytest.mark.parametrize(
    ("hospital", "applications"), [("north", ["north-ehr"]), ("south", ["south-ehr", "south-app"])]
)
def test_only_the_hospital_s_own_applications_come_in(stack: Stack, hospital: str, applications: list[str]) -> None:
    spec = of(stack, "SecurityPolicy", hospital).inputs["spec"]
    [provider] = spec["jwt"]["providers"]
    assert provider["issuer"] == "https://login.healthcare-mlops.example"
    assert provider["audiences"] == ["readmission-risk"]
    assert provider["remoteJWKS"]["uri"].startswith("https://")
    assert spec["authorization"]["defaultAction"] == "Deny"
    [rule] = spec["authorization"]["rules"]
    assert rule["principal"]["jwt"]["provider"] == provider["name"]
    assert rule["principal"]["jwt"]["claims"] == [{"name": "client_id", "values": applications}]


def test_policies_hold_for_the_whole_gateway(stack: Stack) -> None:
    for kind in ("ClientTrafficPolicy", "SecurityPolicy", "BackendTrafficPolicy"):
        for policy in stack.of(kind):
            [target] = policy.inputs["spec"]["targetRefs"]
            assert (target["kind"], target["name"]) == ("Gateway", "gateway"), policy.name
            assert "sectionName" not in target


def test_replicas_share_the_rate_that_the_environment_allows(stack: Stack) -> None:
    [proxy] = stack.of("EnvoyProxy")
    replicas = proxy.inputs["spec"]["provider"]["kubernetes"]["envoyDeployment"]["replicas"]
    rules = of(stack, "BackendTrafficPolicy", "north").inputs["spec"]["rateLimit"]["local"]["rules"]
    assert [rule["limit"] for rule in rules] == [{"requests": 600 // replicas, "unit": "Minute"}]


def test_only_a_release_has_a_route_and_the_grant_names_it_alone(stack: Stack) -> None:
    [route], [grant] = stack.of("HTTPRoute"), stack.of("ReferenceGrant")
    [rule] = route.inputs["spec"]["rules"]
    assert route.metadata["namespace"] == "north-platform"
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": f"/v2/models/{MODEL}"}}]
    assert rule["backendRefs"] == [{"name": f"{MODEL}-predictor", "namespace": "north-serving", "port": 80}]
    assert grant.metadata["namespace"] == "north-serving"
    assert grant.inputs["spec"]["to"] == [{"group": "", "kind": "Service", "name": f"{MODEL}-predictor"}]
    assert [origin["namespace"] for origin in grant.inputs["spec"]["from"]] == ["north-platform"]


def test_one_class_records_every_request_without_what_is_about_patients(stack: Stack) -> None:
    [made], [proxy] = stack.of("GatewayClass"), stack.of("EnvoyProxy")
    reference = made.inputs["spec"]["parametersRef"]
    assert (reference["name"], reference["namespace"]) == (proxy.metadata["name"], "envoy-gateway-system")
    [record] = proxy.inputs["spec"]["telemetry"]["accessLog"]["settings"]
    fields = record["format"]["json"]
    assert {"time", "application", "certificate", "path", "answer"} <= fields.keys()
    assert fields["path"] == "%REQ_WITHOUT_QUERY(:PATH)%"
    service = proxy.inputs["spec"]["provider"]["kubernetes"]["envoyService"]
    assert service["annotations"]["service.beta.kubernetes.io/aws-load-balancer-internal"] == "true"


def test_the_platform_zone_has_room_for_the_gateway_alone(stack: Stack) -> None:
    quotas = {quota.metadata["namespace"]: quota.inputs["spec"]["hard"] for quota in stack.of("ResourceQuota")}
    ways_in = {home: hard["services.loadbalancers"] for home, hard in quotas.items()}
    assert {home for home, count in ways_in.items() if count != "0"} == {"north-platform", "south-platform"}
    assert quotas["north-platform"]["pods"] == "3"


def test_without_a_gateway_there_is_none_of_it(tmp_path: Path) -> None:
    dev = declare(settings("dev", tmp_path))
    assert not {r.kind for r in dev.resources} & {
        "Gateway",
        "GatewayClass",
        "HTTPRoute",
        "SecurityPolicy",
        "Certificate",
    }


@pytest.mark.parametrize(
    ("stack_name", "change", "says"),
    [
        ("prod", lambda c: c["hospitals"][0].pop("applications"), "hospital north needs network and applications"),
        ("prod", lambda c: c["hospitals"][0].update(applications=[]), "hospital north needs network and applications"),
        ("dev", lambda c: c.update(gateway=configuration("prod")["gateway"]), "gateway needs cluster: eks"),
    ],
)
def test_a_gateway_that_nobody_could_use_is_refused(stack_name: str, change: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(stack_name, tmp_path, change)
