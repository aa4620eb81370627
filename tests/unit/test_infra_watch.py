"""What watches the account: log groups, trails, detectors and alarms."""

import pytest

from infra import logs
from infra.logs import Logs, LogsArgs
from infra.settings import Settings
from tests.unit.mocked_stack import declared, settings

STACKS = ("dev", "prod")


@pytest.fixture(scope="module", params=STACKS)
def chosen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings(request.param, tmp_path_factory.mktemp(request.param))


def test_a_log_group_has_a_key_and_stays_a_year(chosen: Settings) -> None:
    stack = declared(lambda: Logs("flow", LogsArgs(chosen, "/hmlops/x/flow", "arn:key")), chosen.environment)
    [group] = stack.of("LogGroup")
    assert group.inputs["name"] == "/hmlops/x/flow"
    assert group.inputs["kmsKeyId"] == "arn:key"
    assert group.inputs["retentionInDays"] >= 365
    assert group.inputs["tags"]["healthcare-mlops/phi"] == "false"


def test_records_stay_six_years_in_a_term_that_cloudwatch_knows() -> None:
    assert logs.RECORD_DAYS >= 6 * 365
    known = {365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
    assert {logs.AT_HAND_DAYS, logs.RECORD_DAYS} <= known
