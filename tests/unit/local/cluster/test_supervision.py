"""The supervisor keeps parts running and restarts what changed, with a real supervisord."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from local.cluster.supervision import Program, Supervisor, render
from local.paths import Home

pytestmark = pytest.mark.process

SLEEP = Program("sleeper", ("/bin/sleep", "300"))


@retry(retry=retry_if_result(lambda done: not done), stop=stop_after_delay(60), wait=wait_fixed(0.1))
def until(condition: Callable[[], bool]) -> bool:
    return condition()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.run.mkdir()
    return found


@pytest.fixture
def supervisor(home: Home) -> Iterator[Supervisor]:
    found = Supervisor(home)
    found.configure([SLEEP])
    yield found
    found.shutdown()
    until(lambda: not found.running())


def pid(supervisor: Supervisor) -> int:
    return int(supervisor.states()["sleeper"]["pid"])


def test_a_part_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    supervisor.start("sleeper")
    until(lambda: supervisor.states()["sleeper"]["statename"] == "RUNNING")
    first = pid(supervisor)
    os.kill(first, signal.SIGKILL)
    assert until(lambda: pid(supervisor) not in (0, first))


def test_only_what_changed_is_restarted(home: Home, supervisor: Supervisor) -> None:
    supervisor.start("sleeper")
    first = pid(supervisor)
    supervisor.configure([SLEEP])
    assert pid(supervisor) == first
    supervisor.configure([Program("sleeper", ("/bin/sleep", "300"), version="renewed")])
    supervisor.start("sleeper")
    assert pid(supervisor) not in (0, first)


def test_a_supervisor_that_is_not_there_does_not_run(home: Home) -> None:
    assert not Supervisor(home).running()


def test_arguments_keep_their_characters(home: Home) -> None:
    text = render(home, [Program("odd", ("/bin/echo", 'a "b" 100% c'), (("KEY", "50%"),))])
    assert '"/bin/echo" "a \\"b\\" 100%% c"' in text
    assert 'KEY="50%%"' in text
