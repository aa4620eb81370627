"""The audit devices in a stack's configuration, and the digest of a list of devices."""

from typing import Any

import pytest

from policy_pack.errors import PackError
from policy_pack.stack.audit_devices import device, digest, read
from policy_pack.stack.values import UNKNOWN, NotKnownError


def test_devices_are_read_with_and_without_the_prefix_of_the_project() -> None:
    vault = {"auditDevices": [{"name": "first", "options": {"file_path": "/a", "log_raw": True}}]}
    [one] = read({"vault": vault})
    assert read({"healthcare-mlops:vault": vault}) == (one,)
    assert (one.name, one.type, one.option("log_raw"), one.option("mode")) == ("first", "file", "true", "")


@pytest.mark.parametrize("vault", [None, {}, {"namespace": "admin"}, {"auditDevices": None}, {"auditDevices": []}])
def test_no_devices_are_declared(vault: Any) -> None:
    assert read({"vault": vault}) == ()


@pytest.mark.parametrize("devices", ["first", {"first": {}}, [1], ["first"], True])
def test_another_form_is_an_error(devices: Any) -> None:
    with pytest.raises(PackError, match=r"vault\.auditDevices must be a list"):
        read({"vault": {"auditDevices": devices}})


def test_options_of_another_form_are_kept_as_an_option_that_no_device_has() -> None:
    assert device("first", "file", ["log_raw"]).options == (("options", "['log_raw']"),)


def test_an_unknown_option_is_not_read_as_text() -> None:
    with pytest.raises(NotKnownError):
        device("first", "file", {"file_path": UNKNOWN})
    with pytest.raises(NotKnownError):
        device("first", UNKNOWN, {})


def test_a_digest_depends_on_every_part_and_not_on_the_order() -> None:
    first, second = device("first", "file", {"file_path": "/a"}), device("second", "file", {"file_path": "/b"})
    assert digest([first, second]) == digest([second, first])
    others = [
        device("other", "file", {"file_path": "/a"}),
        device("first", "socket", {"file_path": "/a"}),
        device("first", "file", {"file_path": "/c"}),
        device("first", "file", {"file_path": "/a", "log_raw": "true"}),
    ]
    assert len({digest([one, second]) for one in (first, *others)}) == 5
