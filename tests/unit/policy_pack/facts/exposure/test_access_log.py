"""The access log of a gateway, of which the recorder alone may get more."""

from copy import deepcopy
from typing import Any

import pytest

from policy_pack.facts.exposure.access_log import access_log
from policy_pack.facts.exposure.table import TABLE, read
from workloads.platform.gateway_class import traffic_spec
from workloads.platform.gateway_records import Recorder

EXPOSURE = read(TABLE)


def spec() -> dict[str, Any]:
    found: dict[str, Any] = deepcopy(traffic_spec("north-platform", "gateway-tls", Recorder("gateway-recorder", 443)))
    return found


def setting(found: dict[str, Any], number: int) -> dict[str, Any]:
    one: dict[str, Any] = found["telemetry"]["accessLog"]["settings"][number]
    return one


def reference(found: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = setting(found, 1)["sinks"][0]["openTelemetry"]["backendRefs"][0]
    return one


def test_the_declared_log_is_a_record() -> None:
    assert list(access_log(spec(), EXPOSURE)) == []


def to_another_service(found: dict[str, Any]) -> None:
    reference(found)["name"] = "collector"


def to_another_namespace(found: dict[str, Any]) -> None:
    reference(found)["namespace"] = "monitoring"


def to_a_backend_of_envoy_gateway(found: dict[str, Any]) -> None:
    reference(found).update(group="gateway.envoyproxy.io", kind="Backend")


def to_a_host(found: dict[str, Any]) -> None:
    setting(found, 1)["sinks"] = [{"type": "OpenTelemetry", "openTelemetry": {"host": "logs.example", "port": 4317}}]


def to_a_file_too(found: dict[str, Any]) -> None:
    setting(found, 1)["sinks"].append({"type": "File", "file": {"path": "/dev/stdout"}})


def of_every_request(found: dict[str, Any]) -> None:
    del setting(found, 1)["matches"]


def with_the_path(found: dict[str, Any]) -> None:
    setting(found, 1)["format"]["json"] = {"path": "%REQ(:PATH)%"}


def with_details_in_the_output(found: dict[str, Any]) -> None:
    setting(found, 0)["format"]["json"] = {
        **setting(found, 0)["format"]["json"],
        "details": "%RESPONSE_CODE_DETAILS%",
    }


@pytest.mark.parametrize(
    "change",
    [
        to_another_service,
        to_another_namespace,
        to_a_backend_of_envoy_gateway,
        to_a_host,
        to_a_file_too,
        of_every_request,
        with_the_path,
        with_details_in_the_output,
    ],
)
def test_details_of_refusals_go_to_the_recorder_alone(change: Any) -> None:
    found = spec()
    change(found)
    assert any("can identify a patient" in reason for reason in access_log(found, EXPOSURE))
