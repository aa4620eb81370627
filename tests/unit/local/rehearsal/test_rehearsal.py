"""A rehearsal differs from production in where Vault is and records, and says what was only declared."""

from pathlib import Path

import pytest
import yaml

from local.paths import BAO_URL, REPOSITORY, Home
from local.rehearsal import rehearsal


def test_the_rehearsal_differs_from_production_in_vault_s_place_alone() -> None:
    written = yaml.safe_load((REPOSITORY / "Pulumi.prod.yaml").read_text())["config"]
    rehearsed = rehearsal.configuration()["config"]
    differing = {key for key in written if written[key] != rehearsed[key]}
    assert written.keys() == rehearsed.keys()
    assert differing == {"healthcare-mlops:endpoints", "healthcare-mlops:vault"}
    dev = yaml.safe_load((REPOSITORY / "Pulumi.dev.yaml").read_text())["config"]
    assert rehearsed["healthcare-mlops:vault"] == dev["healthcare-mlops:vault"]
    assert rehearsed["healthcare-mlops:vault"].keys() == written["healthcare-mlops:vault"].keys()
    assert rehearsed["healthcare-mlops:endpoints"]["vault"]["url"] == BAO_URL
    assert rehearsed["healthcare-mlops:endpoints"].keys() == written["healthcare-mlops:endpoints"].keys()


def test_the_rehearsal_has_a_home_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HMLOPS_HOME", str(tmp_path / "mine"))
    assert rehearsal.home() == Home(tmp_path / "mine-rehearsal")
    assert not rehearsal.interrupted()


def test_its_configuration_is_written_beside_a_project_of_the_same_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rehearsal, "FOLDER", tmp_path / "rehearsal")
    rehearsal.write_configuration()
    assert yaml.safe_load((tmp_path / "rehearsal" / "Pulumi.yaml").read_text())["name"] == "healthcare-mlops"
    assert yaml.safe_load(rehearsal.stack().config.read_text()) == rehearsal.configuration()


def test_what_was_only_declared_is_told_by_name() -> None:
    def resource(kind: str, name: str, **more: object) -> dict[str, object]:
        return {"urn": f"urn:pulumi:prod::p::{kind}::{name}", "type": kind, **more}

    marked = resource("aws:eks/addon:Addon", "vpc-cni", outputs={"notEmulated": True})
    chart = resource("kubernetes:helm.sh/v3:Release", "kserve", outputs={"status": {}})
    plain = resource("aws:kms/key:Key", "k", outputs={})
    empty = resource("pulumi:pulumi:Stack", "s")
    state = {"deployment": {"resources": [plain, chart, marked, empty]}}
    assert rehearsal.only_declared(state) == {
        "notEmulated": ["aws:eks/addon:Addon::vpc-cni"],
        "notRun": ["kubernetes:helm.sh/v3:Release::kserve"],
    }
