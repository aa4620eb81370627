"""What a hospital's entry may say of its EHR, its title and its units, and the sentence for what it may not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError
from tests.support.stack.mocked_stack import settings

LAUNCH = {"issuer": "https://fhir.north.example/r4", "client": "north-worklist"}
Change = Callable[[dict[str, Any]], None]


def ehr(**changed: object) -> Change:
    """Return a change of the EHR of production's hospital."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0]["ehr"] |= changed

    return change


def entry(**changed: object) -> Change:
    """Return a change of the entry of production's hospital."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0] |= changed

    return change


def test_an_ehr_may_launch_the_worklist(tmp_path: Path) -> None:
    [hospital] = settings("prod", tmp_path, ehr(launch=LAUNCH)).hospitals
    assert hospital.ehr is not None
    assert hospital.ehr.launch is not None
    assert hospital.ehr.launch.model_dump() == LAUNCH
    assert hospital.title is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (ehr(application="North EHR"), "hospitals[0].ehr.application 'North EHR' cannot be used here; write"),
        (ehr(application="x" * 64), "at most 63 characters."),
        (ehr(launch={"issuer": LAUNCH["issuer"]}), "hospitals[0].ehr.launch.client is missing; add it"),
        (ehr(launch=LAUNCH | {"issuer": "http://fhir.example"}), "is not a plain https address"),
        (ehr(launch=LAUNCH | {"issuer": "https://fhir.example:8443/r4"}), "has ehr.launch but no fhir.url on the same"),
        (entry(title=""), "hospitals[0].title '' cannot be used here; write text of at most 80 characters."),
        (entry(title="x" * 81), "at most 80 characters."),
        (entry(units=["4 West", "4-west"]), "hospitals[0] names the unit 4 West more than once; keep one."),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(tmp_path: Path, change: Change, says: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings("prod", tmp_path, change)
    assert says in str(refusal.value)
