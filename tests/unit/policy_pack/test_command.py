"""The pack's commands on any input: an answer or one sentence, never a traceback, a secret or a control character."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from policy_pack.command import app
from policy_pack.stack.wire import SECRET, SIGNATURE
from tests.policy import world
from tests.policy.states import exported
from tests.policy.strategies import nested

CANARY = "canary-7f3a"
STATE = exported(list(world.resources()))
SECRETS = [
    *({SIGNATURE: SECRET, "plaintext": json.dumps(value)} for value in (CANARY, 730031, True, {"a": [CANARY]})),
    {SIGNATURE: SECRET, "ciphertext": "v1:x"},
    {SIGNATURE: SECRET, "plaintext": CANARY},
    {SIGNATURE: SECRET, "plaintext": 3},
]
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["[red]x[/]", "\x1b[31m", "\ud800", "\u202e", "a" * 10**5, 10**400]),
)  # fmt: skip
values = nested(st.one_of(scalars, st.sampled_from(SECRETS)))


@st.composite
def states(draw: st.DrawFn) -> Any:
    """Return a state of some resources of the compliant stack, of which one field of each has another value."""
    entries = draw(st.lists(st.sampled_from(STATE["deployment"]["resources"]), max_size=5))
    for number, entry in enumerate(entries):
        outputs = dict(entry["outputs"])
        outputs[draw(st.sampled_from(sorted(outputs) or ["x"]))] = draw(values)
        field = draw(
            st.sampled_from(["urn", "type", "id", "parent", "provider", "delete", "created", "inputs", "none"])
        )
        entries[number] = {**entry, "outputs": outputs, field: draw(values)}
    return {"deployment": {"manifest": draw(values), "resources": entries}}


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; an exception that it does not catch fails the test."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def holds(output: str) -> None:
    assert "Traceback" not in output
    assert CANARY not in output
    assert "730031" not in output
    assert all(line.isprintable() for line in output.splitlines())


def check(tmp_path: Path, content: bytes, *more: str) -> tuple[int, str]:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    return run("check", "--state", str(path), *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@given(st.one_of(states(), values))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_state_is_answered(folder: Path, state: Any) -> None:
    for more in ((), ("--json",)):
        code, output = check(folder, json.dumps(state).encode(), *more)
        assert code in (0, 1, 2)
        assert code != 2 or output.startswith("error: ")
        holds(output)


@given(st.binary(max_size=30), st.integers(0, 5000))
@settings(max_examples=25, deadline=None)
def test_a_broken_or_truncated_state_is_one_sentence(folder: Path, junk: bytes, length: int) -> None:
    code, output = check(folder, json.dumps(STATE).encode()[:length] + junk)
    assert code == 2
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    holds(output)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 10**5,
        b'{"deployment": {"resources": [' + b'{"a":' * 10**4,
        json.dumps({"deployment": {"resources": [{**STATE["deployment"]["resources"][0], "outputs": [1]}]}}).encode(),
        json.dumps({"deployment": {"resources": [STATE["deployment"]["resources"][0]] * 2}}).encode(),
        json.dumps({"checkpoint": [], "deployment": []}).encode(),
    ],
)
def test_a_state_of_another_form_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    code, output = check(tmp_path, content)
    assert code == 2
    assert output.count("\n") == 1
    holds(output)


def test_names_with_markup_and_escapes_are_printed_as_they_are(tmp_path: Path) -> None:
    entry = {"type": "aws:iam/user:User", "urn": "urn:pulumi:prod::x::aws:iam/user:User::[bold]a[/] \x1b[31m\u202e"}
    code, output = check(tmp_path, json.dumps({"deployment": {"resources": [entry]}}).encode())
    assert code == 1
    assert "[bold]a[/]" in output.replace("\n", "")
    holds(output)


@given(st.dictionaries(st.sampled_from(["exemptions", "profiles", "services", "evidence", "releases", "x"]), values))
@settings(max_examples=25, deadline=None)
def test_any_settings_are_taken_or_refused(folder: Path, written: dict[str, Any]) -> None:
    (folder / "settings.json").write_text(json.dumps(written))
    code, output = check(folder, json.dumps(STATE).encode(), "--settings", str(folder / "settings.json"))
    assert code in (0, 1, 2)
    holds(output)


@given(st.one_of(values, st.dictionaries(st.just("config"), values)))
@settings(max_examples=25, deadline=None)
def test_any_configuration_of_a_stack_is_taken_or_refused(folder: Path, written: Any) -> None:
    path = folder / "Pulumi.x.yaml"
    path.write_text(json.dumps(written))
    code, output = check(folder, b'{"deployment": {"resources": []}}', "--stack-config", str(path))
    assert code in (0, 1, 2)
    holds(output)


def test_an_empty_settings_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    content = json.dumps(STATE).encode()
    assert check(tmp_path, content, "--settings", str(tmp_path / "empty.yaml")) == check(tmp_path, content)


def test_a_state_from_the_future_is_refused(tmp_path: Path) -> None:
    state = {"deployment": {"manifest": {"time": "2999-01-01T00:00:00Z"}, "resources": []}}
    code, output = check(tmp_path, json.dumps(state).encode(), "--json")
    assert code == 1
    assert "but the stack was changed on 2999-01-01; correct the clock" in output
