"""The whole path under hostile requests and faults: samples of the full runs of tests.hostile and tests.faults."""

from collections.abc import Iterator

import pytest

from tests.faults.faults import FAULTS, Fault, small_disk
from tests.faults.run import Anchors, run
from tests.hostile.__main__ import listed
from tests.hostile.run import run as send
from tests.support.care.clinical_path import ClinicalPath, clinical_path

pytestmark = pytest.mark.process
REQUESTS = 500
SAMPLE = (
    "care killed",
    "database server killed",
    "disk full under the audit",
    "Vault sealed",
    "another release answers",
    "certificate of planning expired",
    "clock of planning an hour ahead",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicalPath]:
    with clinical_path(tmp_path_factory.mktemp("path")) as made:
        yield made


@pytest.fixture(scope="module")
def anchors(path: ClinicalPath) -> Iterator[Anchors]:
    with small_disk(path):
        yield Anchors(path)


def test_hostile_requests_get_nothing_and_each_is_on_record(path: ClinicalPath) -> None:
    outcomes = send(path, REQUESTS)
    assert outcomes.sent >= REQUESTS
    assert outcomes.answers > REQUESTS / 2
    assert not outcomes.faults, "\n".join(listed(outcomes))


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in SAMPLE], ids=lambda fault: fault.name)
def test_a_fault_leaves_no_wrong_and_no_unrecorded_answer(path: ClinicalPath, anchors: Anchors, fault: Fault) -> None:
    result = run(path, fault, anchors)
    assert result.wrong == []
    assert result.unrecorded == []
    assert result.faults_of_the_chain == []
