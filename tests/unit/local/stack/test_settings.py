"""Settings of a stack: what `make up` keeps is in no file that git tracks."""

from pathlib import Path

import pytest
import yaml

from local.errors import UserError
from local.paths import REPOSITORY, Home
from local.stack import settings
from local.stack.settings import link_overlay, remove_state
from local.stack.stack import Stack
from tests.support.stack.file_stack import CONTENT

KEPT = "encryptionsalt: v1:abc=:v1:def:ghi\nconfig:\n  healthcare-mlops:hospitals:\n    north: {release: v2@def}\n"


def test_every_clone_reads_the_environment_s_overlay(stack: Stack) -> None:
    stack.kept.write_text(KEPT)
    for _ in range(2):
        link_overlay(stack.home)
        assert [entry.get("release") for entry in stack.hospitals()] == ["v2@def", "v1@abc"]
    assert [entry.get("release") for entry in stack.declared()] == [None, "v1@abc"]


def test_the_engine_s_first_write_goes_into_the_environment(stack: Stack) -> None:
    link_overlay(stack.home)
    stack.overlay.write_text(KEPT)
    assert stack.kept.read_text() == KEPT
    assert stack.config.read_text() == CONTENT


def test_a_link_follows_the_environment_that_is_used(stack: Stack, tmp_path: Path) -> None:
    link_overlay(Home(tmp_path / "other"))
    link_overlay(stack.home)
    assert stack.overlay.readlink() == stack.kept


def test_a_file_of_the_user_s_own_stays(stack: Stack) -> None:
    stack.overlay.parent.mkdir()
    stack.overlay.write_text("config: {}\n")
    link_overlay(stack.home)
    assert not stack.overlay.is_symlink()
    remove_state(stack.home)
    assert stack.overlay.read_text() == "config: {}\n"


def test_clean_takes_the_link_away_and_no_other_environment_s(stack: Stack, tmp_path: Path) -> None:
    link_overlay(stack.home)
    remove_state(Home(tmp_path / "other"))
    assert stack.overlay.is_symlink()
    remove_state(stack.home)
    assert not stack.overlay.is_symlink()
    assert stack.config.read_text() == CONTENT


def test_git_ignores_the_overlay_of_dev_and_tracks_that_of_production() -> None:
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    assert project["stackConfigDir"] == settings.OVERLAY
    rules = (REPOSITORY / ".gitignore").read_text().splitlines()
    assert f"/{settings.OVERLAY}/Pulumi.dev.yaml" in rules
    assert not [rule for rule in rules if rule.strip("/") in (settings.OVERLAY, f"{settings.OVERLAY}/Pulumi.prod.yaml")]


def test_hospitals_are_read_from_the_file(stack: Stack) -> None:
    assert [(entry["name"], entry.get("release")) for entry in stack.hospitals()] == [
        ("north", None),
        ("south", "v1@abc"),
    ]


@pytest.mark.parametrize(
    "text", ["", "encryptionsalt: v1:a:v1:b:c\n", "config: {}\n", f"config:\n  {settings.HOSPITALS}:\n    north:\n"]
)
def test_an_overlay_may_say_nothing(stack: Stack, text: str) -> None:
    stack.kept.write_text(text)
    link_overlay(stack.home)
    assert stack.hospitals() == stack.declared()


def test_another_cluster_is_not_started_over(config: Path) -> None:
    settings.require_local_cluster()
    config.write_text(CONTENT.replace("config:\n", "config:\n  healthcare-mlops:cluster: kind\n"))
    with pytest.raises(UserError, match="says `cluster: kind`"):
        settings.require_local_cluster()


def test_nor_over_one_that_the_overlay_names(config: Path) -> None:
    (config.parent / "overlay").mkdir()
    (config.parent / "overlay" / config.name).write_text("config: {healthcare-mlops:cluster: kind}\n")
    with pytest.raises(UserError, match="says `cluster: kind`"):
        settings.require_local_cluster()
