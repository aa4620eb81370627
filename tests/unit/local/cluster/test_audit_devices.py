"""What ``make status`` says of OpenBao's audit devices."""

from pathlib import Path
from typing import Any

import pytest
import requests

from local.cluster import audit_devices, openbao
from local.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    openbao.folder(made).mkdir(parents=True)
    openbao.token_file(made).write_text("token")
    return made


def answering(monkeypatch: pytest.MonkeyPatch, content: Any, code: int = 200) -> None:
    response = requests.Response()
    response.status_code = code
    monkeypatch.setattr(response, "json", lambda: content)
    monkeypatch.setattr(requests, "get", lambda *_, **__: response)


def devices(home: Home) -> dict[str, Any]:
    options = openbao.audit_options(openbao.folder(home))
    return {f"{name}/": {"type": "file", "options": dict(own)} for name, own in options.items()}


def test_the_devices_of_the_configuration_are_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {"data": devices(home)})
    assert audit_devices.problem(home) == ""


@pytest.mark.parametrize("change", ["removed", "log_raw", "type"])
def test_another_device_is_named_without_its_options(home: Home, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    found = devices(home)
    if change == "removed":
        del found["second/"]
    elif change == "type":
        found["second/"]["type"] = "socket"
    else:
        found["second/"]["options"]["log_raw"] = "true"
    answering(monkeypatch, {"data": found})
    assert audit_devices.problem(home) == "its audit devices are not those of its configuration: second"


@pytest.mark.parametrize(("content", "code"), [({}, 200), ({"data": []}, 200), ({"data": {"a": 1}}, 200), ({}, 403)])
def test_devices_that_cannot_be_read_are_a_problem(
    home: Home, monkeypatch: pytest.MonkeyPatch, content: Any, code: int
) -> None:
    answering(monkeypatch, content, code)
    assert audit_devices.problem(home).startswith("its audit devices cannot be read (")
