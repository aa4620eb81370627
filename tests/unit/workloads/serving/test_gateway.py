"""Gateways: each hospital's programs come in by certificate and token, reach their own model, and are recorded."""

from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError
from tests.support.stack.mocked_stack import (
    RELEASE,
    SECOND_RELEASE,
    Declared,
    Stack,
    declare,
    like,
    settings,
    without_gateway,
    zone_quotas,
)

QUEUED = {"note-extraction", "patient-outreach"}


def two(written: dict[str, Any]) -> None:
    """Give production two hospitals with programs alone, and the first one a release."""
    [north] = written["hospitals"]
    for name in ("ehr", "signIn", "units"):
        del north[name]
    south = like(north, "south", network="10.51.0.0/24", applications=["south-ehr", "south-app"])
    south["contact"] = {"security": "secops@south.example", "baa": "BAA-2026-015"}
    south["fhir"] = {"url": "https://fhir.south.example/r4", "auth": "smart-backend-services", "client": "south-ehr"}
    written["hospitals"] = [{**north, "release": RELEASE}, south]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod"), two))


def every(stack: Stack, kind: str, hospital: str) -> list[Declared]:
    return [r for r in stack.of(kind) if r.metadata["labels"].get("healthcare-mlops/hospital") == hospital]


def of(stack: Stack, kind: str, hospital: str) -> Declared:
    [found] = every(stack, kind, hospital)
    return found


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_each_hospital_has_a_gateway_with_a_certificate_of_its_own(stack: Stack, hospital: str) -> None:
    gateway, made = of(stack, "Gateway", hospital), of(stack, "Certificate", hospital)
    host = f"{hospital}.api.risk.healthcare-mlops.example"
    [listener] = gateway.inputs["spec"]["listeners"]
    assert gateway.metadata["namespace"] == f"{hospital}-platform"
    assert (listener["protocol"], listener["hostname"], listener["tls"]["mode"]) == ("HTTPS", host, "Terminate")
    assert [ref["name"] for ref in listener["tls"]["certificateRefs"]] == [made.inputs["spec"]["secretName"]]
    assert made.inputs["spec"]["dnsNames"] == [host]
    assert made.inputs["spec"]["uris"] == [f"spiffe://hmlops/{hospital}/envoy"]
    assert made.inputs["spec"]["usages"] == ["digital signature", "server auth", "client auth"]
    assert (made.inputs["spec"]["duration"], made.inputs["spec"]["renewBefore"]) == ("24h", "8h")
    issuer = of(stack, "ClusterIssuer", hospital)
    assert made.inputs["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "name": issuer.metadata["name"]}
    assert issuer.inputs["spec"]["vault"]["path"] == f"{hospital}/workload-pki/sign/envoy"
    login = issuer.inputs["spec"]["vault"]["auth"]["kubernetes"]
    assert (login["role"], login["mountPath"]) == (f"{hospital}-envoy", "/v1/auth/kubernetes")


@pytest.mark.parametrize("hospital", ["north", "south"])
def test_who_shows_no_certificate_of_the_hospital_is_not_heard(stack: Stack, hospital: str) -> None:
    spec = of(stack, "ClientTrafficPolicy", hospital).inputs["spec"]
    [target] = spec["targetRefs"]
    assert (target["kind"], target["name"], target["sectionName"]) == ("Gateway", "gateway", "machines")
    tls = spec["tls"]
    assert (tls["minVersion"], tls["clientValidation"]["optional"]) == ("1.2", False)
    own = {r.metadata["name"]: r for r in stack.of("ConfigMap") if r.metadata["namespace"] == f"{hospital}-platform"}
    [authority] = tls["clientValidation"]["caCertificateRefs"]
    assert authority["kind"] == "ConfigMap"
    assert own[authority["name"]].inputs["data"] == {"ca.crt": f"certificate of {hospital}/pki"}
    [revoked] = tls["clientValidation"]["crl"]["refs"]
    assert own[revoked["name"]].inputs["data"] == {"ca.crl": f"revocation list of {hospital}/pki/cert/crl"}


@pytest.mark.parametrize(
    ("hospital", "applications"), [("north", ["north-ehr"]), ("south", ["south-ehr", "south-app"])]
)
def test_only_the_hospital_s_own_applications_come_in(stack: Stack, hospital: str, applications: list[str]) -> None:
    policies = {policy.metadata["name"]: policy for policy in every(stack, "SecurityPolicy", hospital)}
    assert policies.keys() == QUEUED | {"gateway", "scores"}
    assert policies["gateway"].inputs["spec"]["authorization"] == {"defaultAction": "Deny"}
    spec = policies["note-extraction"].inputs["spec"]
    [provider] = spec["jwt"]["providers"]
    assert provider["issuer"] == "https://login.healthcare-mlops.example"
    assert provider["audiences"] == ["readmission-risk"]
    assert provider["remoteJWKS"]["uri"].startswith("https://")
    assert spec["authorization"]["defaultAction"] == "Deny"
    rules = spec["authorization"]["rules"]
    assert [rule["principal"]["jwt"]["claims"] for rule in rules] == [
        [{"name": "client_id", "values": [application]}] for application in applications
    ]
    assert {tuple(rule["principal"]["jwt"]["scopes"]) for rule in rules} == {("notes.extract",)}
    assert [rule["cel"] for rule in rules] == [
        f"connection.subject_peer_certificate == 'CN={application}'" for application in applications
    ]


def test_each_model_lets_its_own_applications_in_and_no_others(tmp_path: Path) -> None:
    def change(written: dict[str, Any]) -> None:
        two(written)
        model = {"name": "boosted", "release": SECOND_RELEASE, "applications": ["north-research"]}
        written["hospitals"][0]["models"] = [model]

    stack = declare(settings("prod", tmp_path, change))
    policies = {one.metadata["name"]: one.inputs["spec"] for one in every(stack, "SecurityPolicy", "north")}
    admitted = {
        name: [
            (rule["principal"]["jwt"]["claims"][0]["values"], rule["cel"]) for rule in spec["authorization"]["rules"]
        ]
        for name, spec in policies.items()
        if name.endswith(("scores", "boosted"))
    }
    assert admitted == {
        "scores": [(["north-ehr"], "connection.subject_peer_certificate == 'CN=north-ehr'")],
        "model-scores-boosted": [(["north-research"], "connection.subject_peer_certificate == 'CN=north-research'")],
    }
    [route] = [one for one in every(stack, "HTTPRoute", "north") if one.metadata["name"] == "model-scores-boosted"]
    [rule] = route.inputs["spec"]["rules"]
    assert rule["matches"] == [{"method": "POST", "path": {"type": "Exact", "value": "/v1/models/boosted/scores"}}]
    assert not [one for one in every(stack, "HTTPRoute", "south") if "boosted" in one.metadata["name"]]
    [authority] = [
        one
        for one in stack.of("SecretBackendRole")
        if one.inputs["backend"] == "north/pki" and "north-ehr" in one.inputs["allowedDomains"]
    ]
    assert "north-research" in authority.inputs["allowedDomains"]


def test_a_queued_route_leads_to_no_workload(stack: Stack) -> None:
    routes = {route.metadata["name"]: route for route in every(stack, "HTTPRoute", "north")}
    assert routes.keys() == QUEUED | {"scores"}
    for route in (routes[name] for name in QUEUED):
        [rule] = route.inputs["spec"]["rules"]
        [answer] = rule["filters"]
        assert "backendRefs" not in rule
        assert answer["extensionRef"]["name"] == of(stack, "HTTPRouteFilter", "north").metadata["name"]


def test_every_request_is_recorded_without_what_is_about_patients(stack: Stack) -> None:
    gateway, proxy = of(stack, "Gateway", "north"), of(stack, "EnvoyProxy", "north")
    assert gateway.inputs["spec"]["infrastructure"]["parametersRef"]["name"] == proxy.metadata["name"]
    assert proxy.metadata["namespace"] == gateway.metadata["namespace"]
    # The others are of what the recorder alone gets.
    record, *_ = proxy.inputs["spec"]["telemetry"]["accessLog"]["settings"]
    fields = record["format"]["json"]
    assert {"time", "application", "certificate", "route", "answer"} <= fields.keys()
    assert not [value for value in fields.values() if "PATH" in value or "DETAILS" in value]
    assert proxy.inputs["spec"]["logging"] == {"level": {"default": "error"}}
    service = proxy.inputs["spec"]["provider"]["kubernetes"]["envoyService"]
    assert service["annotations"]["service.beta.kubernetes.io/aws-load-balancer-internal"] == "true"


def test_the_platform_zone_has_room_for_the_gateway_and_its_recorder(stack: Stack) -> None:
    quotas = zone_quotas(stack)
    ways_in = {home: hard["services.loadbalancers"] for home, hard in quotas.items()}
    assert {home for home, count in ways_in.items() if count != "0"} == {"north-platform", "south-platform"}
    assert quotas["north-platform"]["pods"] == str(7 + 7)


def without(written: dict[str, Any], *names: str) -> None:
    for name in names:
        del written["hospitals"][0][name]


def test_without_a_gateway_there_is_none_of_it(tmp_path: Path) -> None:
    dev = declare(settings("dev", tmp_path, without_gateway))
    assert not {r.kind for r in dev.resources} & {
        "Gateway",
        "GatewayClass",
        "HTTPRoute",
        "SecurityPolicy",
        "Certificate",
    }


def test_an_existing_cluster_has_a_gateway_without_a_load_balancer(tmp_path: Path) -> None:
    stack = declare(settings("dev", tmp_path))
    own = of(stack, "EnvoyProxy", "north").inputs["spec"]["provider"]["kubernetes"]
    container, pod = own["envoyDeployment"]["container"], own["envoyDeployment"]["pod"]
    assert own["envoyService"] == {"type": "ClusterIP"}
    assert own["envoyPDB"]["minAvailable"] == own["envoyDeployment"]["replicas"] - 1 == 0
    assert own["envoyDeployment"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert container["image"].startswith("hmlops.local/envoy@sha256:")
    # Keys and tokens come from a server with a certificate of the cluster's authority.
    assert {volume["name"]: volume.get("configMap") for volume in pod["volumes"]} == {
        "drained": None,
        "trust": {"name": "kube-root-ca.crt"},
    }
    assert [mount["subPath"] for mount in container["volumeMounts"]] == ["ca.crt"]
    hosts = [listener["hostname"] for listener in of(stack, "Gateway", "north").inputs["spec"]["listeners"]]
    assert hosts == ["north.api.localhost", "north.localhost"]
    assert of(stack, "Certificate", "south").inputs["spec"]["dnsNames"] == ["south.api.localhost", "south.localhost"]
    assert [one.metadata["name"] for one in stack.of("GatewayClass")] == ["hospitals"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: without(c, "applications", "ehr", "signIn"), "hospital north needs network, and applications"),
        (lambda c: without(c, "network"), "hospital north"),
    ],
)
def test_a_gateway_that_nobody_could_use_is_refused(change: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=says):
        settings("prod", tmp_path, change)
