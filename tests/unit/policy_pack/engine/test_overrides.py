"""Settings from elsewhere make the pack stricter, and never weaker."""

from datetime import date
from typing import Any

import pytest

from policy_pack.engine.overrides import read, stricter
from policy_pack.errors import PackError
from policy_pack.settings import DEFAULT, NPRM, Level, Settings, load

REVIEWED = load()
OWN: dict[str, Any] = REVIEWED.model_dump(mode="json")
SERVICES = OWN["services"]


def with_services(name: str, value: object) -> dict[str, object]:
    return {"services": {**SERVICES, name: value}}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"profiles": {NPRM: "off"}}, "profiles"),
        ({"profiles": {NPRM: False}}, "profiles"),
        ({"prefix": "other"}, "prefix"),
        ({"synthetic": ["dev", "prod"]}, "synthetic"),
        ({"data_classes": {"raw": False}}, "data_classes"),
        ({"data_classes": {"new": False}}, "data_classes"),
        ({"evidence": {"penetration_test": "2026-11-01"}}, "evidence"),
        ({"exemptions": [*OWN["exemptions"], {**OWN["exemptions"][0], "control": "AC-05"}]}, "exemptions"),
        ({"exemptions": [{**OWN["exemptions"][0], "expires": "2027-06-01"}]}, "exemptions"),
        (with_services("packages", {**SERVICES["packages"], "azure": "x"}), "services"),
        (with_services("aws", {**SERVICES["aws"], "lightsail": "x"}), "services"),
        (with_services("regions", [*SERVICES["regions"], "eu-west-1"]), "services"),
        (with_services("eks_versions", ["1.20"]), "services"),
        (with_services("registries", ["docker.io"]), "services"),
        (with_services("denied_ports", {}), "services"),
    ],
)
def test_a_weaker_setting_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(PackError, match=f"^x: {field} is weaker than in settings.yaml; change that file in a review"):
        stricter(REVIEWED, changes, "x")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"profiles": {NPRM: "mandatory"}},
        {"synthetic": []},
        {"data_classes": {}},
        {"exemptions": []},
        {"exemptions": OWN["exemptions"][:2]},
        {"releases": "build/releases"},
        with_services("regions", SERVICES["regions"][:1]),
        with_services("denied_ports", {**SERVICES["denied_ports"], "9": "x"}),
    ],
)
def test_a_stricter_setting_is_taken_and_the_others_stay(changes: dict[str, object]) -> None:
    settings = stricter(REVIEWED, changes, "x")
    for field in Settings.model_fields.keys() - changes.keys():
        assert getattr(settings, field) == getattr(REVIEWED, field)
    assert settings.today == REVIEWED.today


@pytest.mark.parametrize("changes", [[], "x", 3, {"today": "2020-01-01"}, {"clock_problem": ""}, {1: 2}])
def test_what_is_no_setting_is_refused(changes: object) -> None:
    with pytest.raises(PackError):
        stricter(REVIEWED, changes, "x")


def test_a_date_of_the_reviewed_file_may_be_left_out_or_older() -> None:
    dated = REVIEWED.model_copy(
        update={"evidence": REVIEWED.evidence.model_copy(update={"penetration_test": date(2026, 5, 1)})}
    )
    for older in ({}, {"penetration_test": "2026-04-01"}):
        assert stricter(dated, {"evidence": older}, "x").evidence != dated.evidence
    with pytest.raises(PackError, match="evidence is weaker"):
        stricter(dated, {"evidence": {"penetration_test": "2026-05-02"}}, "x")


def test_the_reviewed_file_itself_is_read_as_it_is() -> None:
    assert read(DEFAULT) == REVIEWED
    assert REVIEWED.profiles == {"hipaa": Level.MANDATORY, NPRM: Level.ADVISORY}
