"""What an update of the engine came to, told in a few lines from its events."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.errors import UserError
from local.progress import steps_on
from local.stack import update
from local.stack.update import Events, failure

URN = "urn:pulumi:dev::healthcare-mlops::hmlops:workloads:Zone$kubernetes:core/v1:ResourceQuota::north-quota"
STACK = "urn:pulumi:dev::healthcare-mlops::pulumi:pulumi:Stack::healthcare-mlops-dev"


def diagnostic(message: str, urn: str = URN, severity: str = "error") -> dict[str, Any]:
    return {"diagnosticEvent": {"urn": urn, "message": message, "severity": severity}}


def policy(message: str, level: str = "advisory", name: str = "SEG-04") -> dict[str, Any]:
    return {"policyEvent": {"resourceUrn": URN, "message": message, "policyName": name, "enforcementLevel": level}}


def told(*events: dict[str, Any] | str) -> Events:
    found = Events()
    for event in events:
        found.take(event if isinstance(event, str) else json.dumps(event))
    return found


def test_changes_are_one_line() -> None:
    changes = {"same": 1292, "create": 3, "update": 1, "delete-replaced": 1, "replace": 2, "create-replacement": 2}
    found = told({"resOutputsEvent": {}}, {"summaryEvent": {"resourceChanges": changes}})
    assert found.changed == "3 created, 1 updated, 2 replaced, 1,292 unchanged"
    assert found.done == 1
    assert told().changed == told({"summaryEvent": {"resourceChanges": None}}).changed == "nothing declared"


def test_findings_are_counted_once_each() -> None:
    exempt = policy("Keys\n3 findings on north, south - exempt until 2027-01-01 by secops: synthetic")
    other = policy("Keys\n1 finding on west - exempt until 2027-01-01 by secops: synthetic")
    found = told(exempt, exempt, other, policy("Keys\nnorth: not yet known"), policy("Keys\nsouth: may be weak"))
    assert found.judged == "policy pack: 2 advisory, 4 exempt by 2 exemptions, none refused"
    assert [line.partition(" ")[0] for line in found.findings.splitlines()[::3]] == 2 * ["advisory"] + 2 * ["exempt"]
    assert told().judged == "policy pack: 0 advisory, none exempt, none refused"
    assert not found.errors


def test_what_is_no_event_is_left_to_the_log() -> None:
    found = told("", "{", "null", "[]", "7", '"x"', "{}", '{"cancelEvent": {}}', '{"diagnosticEvent": {}}')
    assert found == Events()


def test_errors_are_told_by_resource_without_colours_and_once(tmp_path: Path) -> None:
    found = told(
        diagnostic("<{%fg 1%}>quota is used up<{%reset%}>\n"),
        diagnostic("quota is used up"),
        diagnostic("update failed", STACK),
        diagnostic("Pulumi.dev.yaml: region is missing.\noverlay/Pulumi.dev.yaml: x is no setting.", STACK),
        diagnostic("it may be slow", severity="warning"),
        policy("Zones\nnorth: is open\nClose it.", level="mandatory"),
    )
    assert failure(found, tmp_path / "up.log").splitlines() == [
        "`pulumi up` did not finish:",
        "  north-quota (kubernetes:core/v1:ResourceQuota): quota is used up",
        "  Pulumi.dev.yaml: region is missing.",
        "    overlay/Pulumi.dev.yaml: x is no setting.",
        "  north-quota (kubernetes:core/v1:ResourceQuota): SEG-04 Zones",
        "    north: is open",
        "    Close it.",
        f"All of its output is in {tmp_path / 'up.log'}.",
    ]


def test_many_errors_are_a_few_lines(tmp_path: Path) -> None:
    trace = "Program failed:\nTraceback (most recent call last):\n" + "  File x\n" * 50 + "KeyError: 'x'"
    found = told(*(diagnostic(f"{number} {trace}") for number in range(30)))
    lines = failure(found, tmp_path / "up.log").splitlines()
    assert len(lines) == 2 + 10 * 3 + 1
    assert lines[3].strip() == "KeyError: 'x'"
    assert lines[-2:] == ["  and 20 more", f"All of its output is in {tmp_path / 'up.log'}."]


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("Updating\nerror: the stack is currently locked\n  by pid 7\n", ["the stack is currently locked", "by pid 7"]),
        ("one\ntwo\nthree\nfour\n", ["two", "three", "four"]),
        ("", ["the engine said nothing"]),
    ],
)
def test_without_an_event_the_log_s_own_error_is_told(tmp_path: Path, log: str, says: list[str]) -> None:
    (tmp_path / "up.log").write_text(log)
    assert [line.strip() for line in failure(Events(), tmp_path / "up.log").splitlines()[1:-1]] == says


ENGINE = """
import json, sys
file = sys.argv[sys.argv.index("--event-log") + 1]
print("Updating (dev):", "never" in sys.argv)
with open(file, "w") as stream:
    for event in {events!r}:
        stream.write(json.dumps(event) + "\\n")
    stream.write({rest!r})
sys.exit({code})
"""


def run(folder: Path, events: list[dict[str, Any]], *, code: int = 0, rest: str = "") -> tuple[Events, str]:
    """Let a program stand for the engine, which unit tests do not have."""
    program, seen = folder / "engine.py", io.StringIO()
    program.write_text(ENGINE.format(events=events, rest=rest, code=code))
    with steps_on(Console(file=seen))() as tell:
        found = update.run(
            [sys.executable, str(program)],
            cwd=folder,
            variables={},
            log=folder / "up.log",
            events=folder / "events.json",
            tell=tell,
            name="update of dev",
        )
    return found, seen.getvalue()


def test_the_engine_s_output_is_in_the_log_and_not_on_the_screen(tmp_path: Path) -> None:
    found, seen = run(tmp_path, [{"summaryEvent": {"resourceChanges": {"same": 2}}}], rest='{"diagnosticEvent"')
    assert found.changed == "2 unchanged"
    assert (tmp_path / "up.log").read_text() == "Updating (dev): True\n"
    assert (tmp_path / "up.log").stat().st_mode & 0o077 == 0
    assert seen.split("  ")[-1] == "update of dev\n"
    assert not (tmp_path / "events.json").exists()


def test_a_failed_update_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"(?s)did not finish:\n  north-quota .*: used up\nAll of its output is in .*up.log"
    ):
        run(tmp_path, [diagnostic("used up")], code=255)
