"""The user's commands: ours where nothing better is installed, and no secret in what is printed."""

from pathlib import Path

import pytest

from local import environment, openbao
from local.paths import Home

PLUGINS = {path.name for path in environment.PLUGINS.iterdir()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi-home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return Home(tmp_path / "home")


def linked(home: Home, tmp_path: Path) -> set[str]:
    environment.link_commands(home, {"kubernetes": tmp_path, "pulumi": tmp_path})
    return {path.name for path in (home.root / "bin").iterdir()}


def test_substitutes_stand_in_where_no_official_plugin_is(home: Home, tmp_path: Path) -> None:
    assert linked(home, tmp_path) == PLUGINS | {"kubectl", "pulumi", "bao"}


def test_an_official_plugin_is_used_instead(home: Home, tmp_path: Path) -> None:
    linked(home, tmp_path)
    (tmp_path / "pulumi-home" / "plugins" / "resource-kubernetes-v4.34.2").mkdir(parents=True)
    assert "pulumi-resource-kubernetes" not in linked(home, tmp_path)


def test_the_printed_lines_name_the_tokens_file_and_not_the_token(home: Home) -> None:
    token = openbao.token_file(home)
    token.parent.mkdir(parents=True)
    token.write_text("s.secret")
    said = environment.export(home)
    assert str(token) in said
    assert "s.secret" not in said
    assert environment.process(home)["VAULT_TOKEN"] == "s.secret"
