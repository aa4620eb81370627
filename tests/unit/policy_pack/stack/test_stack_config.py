"""The configuration by which a stack is judged."""

from pathlib import Path

import pytest
import yaml

from policy_pack.stack import stack_config

FILE = {"config": {"healthcare-mlops:hospitals": [{"name": "north", "fhir": {"path": "x"}}]}}
OVERLAY = {"config": {"healthcare-mlops:hospitals": {"north": {"release": "v1@0123456789ab"}}}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stack_config, "PROJECT", tmp_path)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump(FILE))
    (tmp_path / "overlay" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(OVERLAY))
    return tmp_path


def test_an_analysis_without_the_engine_s_configuration_reads_the_overlay(project: Path) -> None:
    assert stack_config.of_engine("dev", {})["hospitals"][0]["release"] == "v1@0123456789ab"


def test_the_engine_s_configuration_takes_the_overlay_s_place(project: Path) -> None:
    given = {"healthcare-mlops:hospitals": '{"north": {"timeZone": "UTC"}}'}
    [north] = stack_config.of_engine("dev", given)["hospitals"]
    assert north == {"name": "north", "fhir": {"path": "x"}, "timeZone": "UTC"}


def test_a_stack_without_a_file_has_what_the_engine_gives(project: Path) -> None:
    assert stack_config.of_engine("other", {}) == {}
