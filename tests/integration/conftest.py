"""The embedded environment for the integration tests: used as it is when up, else started and stopped."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from local.cluster.supervision import Supervisor
from local.paths import REPOSITORY, Home
from local.stack import environment, jobs
from tests.integration import diagnosis
from tests.integration.care.clinic import Clinic

MOST_DESCRIBED = 3
"""Failures in a run for which the node is described: the first ones tell the most."""
DESCRIBED = pytest.StashKey[int]()


def _make(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        pytest.exit(f"`make {command}` failed and said:\n{said}", returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.integration)
    # It destroys the stack, and deploys it again.
    items.sort(key=lambda item: item.path.name == "test_teardown.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the node to the report of a test that failed."""
    report = yield
    described = item.config.stash.get(DESCRIBED, 0)
    if report.failed and described < MOST_DESCRIBED and Supervisor(Home.default()).running():
        item.config.stash[DESCRIBED] = described + 1
        try:
            report.sections.append(("the node and its pods", diagnosis.describe(Home.default())))
        except Exception as fault:  # the test's own failure is what is reported
            report.sections.append(("the node and its pods", f"not to be had: {type(fault).__name__}"))
    return report


@pytest.fixture(scope="session")
def started_empty() -> bool:
    """Whether there was no environment before the tests, neither running nor stopped with its data."""
    return not Home.default().pulumi.exists()


@pytest.fixture(scope="session", autouse=True)
def home(started_empty: bool) -> Iterator[Home]:
    """Bring everything up as a user would; stop it again if it was not up before."""
    found = Home.default()
    was_up = Supervisor(found).running()
    if not was_up:
        _make("up")
    before = dict(os.environ)
    os.environ.update(environment.process(found))
    try:
        yield found
    finally:
        os.environ.clear()
        os.environ.update(before)
        if not was_up:
            _make("down")


@pytest.fixture(scope="module")
def api(home: Home) -> Iterator[client.ApiClient]:
    with jobs.connect(home) as connected:
        yield connected


@pytest.fixture(scope="module")
def core(api: client.ApiClient) -> Any:
    return client.CoreV1Api(api)


@pytest.fixture(scope="module")
def clinic(home: Home) -> Clinic:
    """The first hospital of the stack."""
    return Clinic(home, "north")
