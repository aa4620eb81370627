"""Settings from the environment: each missing or wrong variable is one sentence that names it and not its value."""

from pathlib import Path

import pytest

from model.errors import UserError
from services.planning.settings import Settings
from tests.support.databases.postgres import ELSEWHERE

GOOD = {
    "HOSPITAL": "north",
    "RELEASES": '{"active": {"release": "v1@0123456789ab", "model": "readmission-risk-v1", '
    '"url": "https://model:8443/", "files": "s3://models/readmission/v1/0123456789ab"}}',
    **ELSEWHERE,
    "ONLINE_FEATURES": "s3://curated/features/features.parquet",
}


def test_what_is_absent_has_its_default() -> None:
    settings = Settings.from_environment(GOOD | {"FEATURES_STALE_HOURS": "", "UNRELATED": "x"})
    active = settings.releases.active
    assert active is not None
    assert active.inference_url == "https://model:8443/v2/models/readmission-risk-v1/infer"
    assert (settings.budget_milliseconds, settings.stale_hours) == (300, 36.0)
    assert settings.metrics_port is None
    assert Settings.from_environment(GOOD | {"METRICS_PORT": "8083"}).metrics_port == 8083
    assert settings.planning_database == Path("/vault/secrets/database-planning.json")
    assert settings.audit_database == Path("/vault/secrets/database-audit.json")


def test_a_hospital_may_have_no_release_yet() -> None:
    assert Settings.from_environment(GOOD | {"RELEASES": ""}).releases.active is None
    assert Settings.from_environment(GOOD | {"RELEASES": "{}"}).releases.active is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOSPITAL", ""),
        ("HOSPITAL", "North Hospital"),
        ("RELEASES", "{"),
        ("RELEASES", "[]"),
        ("RELEASES", '{"active": {}}'),
        ("ONLINE_FEATURES", ""),
        ("MODEL_BUDGET_MILLISECONDS", "0"),
        ("MODEL_BUDGET_MILLISECONDS", "soon"),
        ("FEATURES_STALE_HOURS", "-1"),
        ("FEATURES_STALE_HOURS", "nan"),
        ("METRICS_PORT", "80"),
        ("METRICS_PORT", "metrics"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(UserError) as refused:
        Settings.from_environment(GOOD | {name: value})
    assert str(refused.value).startswith(f"{name}: missing or not valid")
    assert not value or value not in str(refused.value).replace(name, "")
