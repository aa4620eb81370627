"""Audit devices of the Vault server, as the stack's configuration declares them and as the server has them."""

from dataclasses import replace

import pytest

from policy_pack.engine.evaluate import Evaluator, Status
from policy_pack.stack.audit_devices import AuditDevice, device
from policy_pack.stack.graph import Graph
from policy_pack.stack.live import Live
from tests.policy import world
from tests.policy.builders import STACK, build

FIRST = device("first", "file", {"file_path": "/vault/1/audit.log", "mode": "0600"})
SECOND = device("second", "file", {"file_path": "/vault/2/audit.log", "mode": "0600"})


def messages(*devices: AuditDevice, live: tuple[AuditDevice, ...] | None = None) -> list[str]:
    addresses = replace(world.ADDRESSES, audit_devices=devices, live=Live(audit_devices=live))
    evaluator = Evaluator(world.settings(), addresses, controls=("AUD-06",))
    return [result.message for result in evaluator.evaluate_stack(world.graph())]


def test_two_devices_with_different_targets_pass() -> None:
    assert messages(FIRST, SECOND) == []
    assert messages(FIRST, SECOND, live=(SECOND, FIRST)) == []


@pytest.mark.parametrize(
    "other",
    [
        {"log_raw": "true"},
        {"log_raw": True},
        {"log_raw": "yes"},
        {"hmac_accessor": False},
        {"hmac_accessor": "0"},
        {"elide_list_responses": "true"},
        {"filter": 'namespace == ""'},
        {"exclude": "[]"},
        {"fallback": "true"},
        {"format": "text"},
        {"mode": "0644"},
        {"mode": "0660"},
        {"mode": "rw"},
        {"address": "collector:9000"},
        {"unheard_of": "1"},
        {"file_path": "discard"},
        {"file_path": "DISCARD"},
        {"file_path": "stdout"},
        {"file_path": "/dev/null"},
        {"file_path": "/vault/../dev/null"},
        {"file_path": ""},
        {"file_path": "/vault/1/../1//audit.log"},
    ],
    ids=str,
)
def test_a_device_that_does_not_keep_every_request_is_refused(other: dict[str, object]) -> None:
    changed = device("second", "file", {"file_path": "/vault/2/audit.log", **other})
    assert any("declares 1 Vault audit devices" in message for message in messages(FIRST, changed))


@pytest.mark.parametrize("other", [{"mode": "0640"}, {"mode": "0000"}, {"format": "jsonx"}, {"log_raw": "false"}])
def test_options_without_effect_on_the_record_pass(other: dict[str, str]) -> None:
    assert messages(FIRST, device("second", "file", {"file_path": "/vault/2/audit.log", **other})) == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [("socket", {"address": "collector:9000"}), ("syslog", {"tag": "vault"}), ("syslog", {})],
)
def test_other_types_pass(kind: str, options: dict[str, str]) -> None:
    assert messages(FIRST, device("second", kind, options)) == []


@pytest.mark.parametrize("kind", ["", "http", "noop", None])
def test_an_unknown_type_is_refused(kind: str | None) -> None:
    assert any("which was not reviewed" in message for message in messages(FIRST, device("second", kind, {})))


def test_a_server_with_other_devices_is_refused_without_showing_their_options() -> None:
    raw = replace(SECOND, options=(*SECOND.options, ("log_raw", "true")))
    [message] = messages(FIRST, SECOND, live=(FIRST, raw))
    assert message.endswith(": second")
    assert "log_raw" not in message
    assert messages(FIRST, SECOND, live=())[0].endswith(": first, second")


def test_a_relative_path_is_in_the_folder_of_the_server() -> None:
    first, second = (device(name, "file", {"file_path": f"audit/{name}.log"}) for name in ("first", "second"))
    at = [device(one.name, "file", {"file_path": f"/bao/{one.option('file_path')}"}) for one in (first, second)]
    assert messages(first, second, live=tuple(at)) == []
    elsewhere = device("second", "file", {"file_path": "/bao/other/second.log"})
    assert len(messages(first, second, live=(at[0], elsewhere))) == 1


def test_a_stack_without_vault_needs_no_device() -> None:
    addresses = replace(world.ADDRESSES, audit_devices=())
    bucket = build("aws:s3/bucket:Bucket", "x", {})
    evaluator = Evaluator(world.settings(), addresses, controls=("AUD-06",))
    assert evaluator.evaluate_stack(Graph([bucket], STACK)) == []


def test_a_stack_without_its_configuration_is_refused() -> None:
    evaluator = Evaluator(world.settings(), None, controls=("AUD-06",))
    assert {result.status for result in evaluator.evaluate_stack(world.graph())} == {Status.REFUSED}
