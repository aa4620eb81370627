"""The user's commands: ours where nothing better is installed, and no secret in what is printed."""

import errno
from importlib.metadata import version
from pathlib import Path

import pytest

from local.cluster import openbao
from local.paths import Home
from local.stack import environment
from local.tools.catalogue import KUBERNETES_PROVIDER_VERSION

HOST = "pulumi-language-python"
SUBSTITUTES = ("pulumi-resource-aws", "pulumi-resource-vault")
KUBERNETES = "pulumi-resource-kubernetes"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return Home(tmp_path / "home")


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "pulumi").write_text("an executable")
    (tmp_path / KUBERNETES).write_text("the provider")
    return {"kubernetes": tmp_path, "pulumi": tmp_path, "pulumi-kubernetes": tmp_path}


def resource_plugins(home: Home) -> dict[str, Path]:
    return {path.name: path.resolve() for path in (home.pulumi / "home" / "plugins").rglob("pulumi-resource-*")}


def test_substitutes_stand_in_where_no_official_plugin_is(home: Home, tools: dict[str, Path]) -> None:
    environment.link_commands(home, tools)
    assert {path.name for path in (home.root / "bin").iterdir()} == {"kubectl", "pulumi", "bao", HOST}
    assert resource_plugins(home) == {
        **dict.fromkeys(SUBSTITUTES, environment.LAUNCHER),
        KUBERNETES: tools["pulumi-kubernetes"] / KUBERNETES,
    }


def test_a_plugin_of_another_version_of_its_sdk_goes(home: Home, tools: dict[str, Path]) -> None:
    plugins = home.pulumi / "home" / "plugins"
    old, installed = (plugins / f"resource-kubernetes-v{number}" / KUBERNETES for number in ("4.0.1", "4.0.2"))
    for path in (old, installed):
        path.parent.mkdir(parents=True)
    old.symlink_to("/nowhere")
    installed.write_bytes(b"ELF")
    environment.link_commands(home, tools)
    assert not old.parent.exists()
    assert installed.read_bytes() == b"ELF"


def test_the_built_provider_is_of_the_sdk_s_version() -> None:
    assert version("pulumi-kubernetes") == KUBERNETES_PROVIDER_VERSION


def test_the_engine_s_executable_is_no_link_so_that_it_finds_the_host_beside_it(
    home: Home, tools: dict[str, Path]
) -> None:
    for text in ("an executable", "a newer one"):
        (tools["pulumi"] / "pulumi").unlink()
        (tools["pulumi"] / "pulumi").write_text(text)
        environment.link_commands(home, tools)
        put = home.root / "bin" / "pulumi"
        assert put.read_text() == text
        assert not put.is_symlink()


def test_an_executable_on_another_disk_is_copied(
    home: Home, tools: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: Path, _target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    environment.link_commands(home, tools)
    assert (home.root / "bin" / "pulumi").read_text() == "an executable"


def test_what_is_no_longer_wanted_goes(home: Home, tools: dict[str, Path]) -> None:
    environment.link_commands(home, tools)
    (home.root / "bin" / "pulumi-resource-aws").symlink_to(environment.LAUNCHER)
    environment.link_commands(home, tools)
    assert not (home.root / "bin" / "pulumi-resource-aws").exists()


def test_an_official_plugin_is_used_instead(home: Home, tools: dict[str, Path], tmp_path: Path) -> None:
    environment.link_commands(home, tools)
    kept_in = f"resource-aws-v{version('pulumi-aws')}"
    official = tmp_path / ".pulumi" / "plugins" / kept_in / "pulumi-resource-aws"
    official.parent.mkdir(parents=True)
    official.write_bytes(b"ELF")
    environment.link_commands(home, tools)
    assert resource_plugins(home)["pulumi-resource-aws"] == official


def test_a_plugin_that_the_engine_installed_is_left_alone(home: Home, tools: dict[str, Path]) -> None:
    environment.link_commands(home, tools)
    installed = next((home.pulumi / "home" / "plugins").rglob("pulumi-resource-aws"))
    installed.unlink()
    installed.write_bytes(b"ELF")
    environment.link_commands(home, tools)
    assert not installed.is_symlink()
    assert installed.read_bytes() == b"ELF"


def test_an_official_language_host_is_used_instead(
    home: Home, tools: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / HOST).write_text("#!/bin/sh\n")
    (elsewhere / HOST).chmod(0o755)
    monkeypatch.setenv("PATH", str(elsewhere))
    environment.link_commands(home, tools)
    assert not (home.root / "bin" / HOST).exists()


def test_the_printed_lines_name_the_tokens_file_and_not_the_token(home: Home) -> None:
    token = openbao.token_file(home)
    token.parent.mkdir(parents=True)
    token.write_text("s.secret")
    said = environment.export(home)
    assert str(token) in said
    assert "s.secret" not in said
    assert environment.process(home)["VAULT_TOKEN"] == "s.secret"
