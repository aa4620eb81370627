"""The recorder's environment is checked before it starts."""

import pytest

from model.errors import UserError
from services.recorder.settings import Settings
from tests.support.databases.postgres import ELSEWHERE

ENVIRONMENT = {**ELSEWHERE, "HOSPITAL": "north", "GATEWAY_METRICS": "gateway-metrics.north-platform.svc:19001"}


def test_settings_come_from_the_environment() -> None:
    assert Settings.from_environment(ENVIRONMENT).gateway_metrics == ENVIRONMENT["GATEWAY_METRICS"]


@pytest.mark.parametrize("change", [{"HOSPITAL": ""}, {"HOSPITAL": "North"}, {"GATEWAY_METRICS": "https://x/"}])
def test_a_wrong_variable_is_named(change: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(change))):
        Settings.from_environment(ENVIRONMENT | change)
