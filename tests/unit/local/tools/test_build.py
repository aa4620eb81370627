"""A build is used whole or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from local.errors import UserError
from local.tools import build, catalogue
from local.tools.catalogue import GoTool

MAIN = 'package main\n\nfunc main() { println("built") }\n'


@pytest.fixture(scope="module")
def go_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("go")


@pytest.fixture
def tool(tmp_path: Path, go_cache: Path, monkeypatch: pytest.MonkeyPatch) -> GoTool:
    if shutil.which("go") is None:
        pytest.skip("no Go compiler on PATH")
    module = tmp_path / "go" / "hello"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (module / "main.go").write_text(MAIN)
    monkeypatch.setattr(catalogue, "GO_MODULES", tmp_path / "go")
    monkeypatch.setenv("HMLOPS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "go").symlink_to(go_cache)
    monkeypatch.setattr(build, "MINIMUM_FREE_GIB", 0)
    return GoTool(name="hello", version="1", packages={"hello": "."}, links=("greet",))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def tell(said: list[str]) -> Callable[[str], None]:
    return said.append


@pytest.mark.process
def test_a_tool_is_built_once(tool: GoTool, said: list[str], tell: Callable[[str], None]) -> None:
    folder = build.build(tool, progress=tell)
    assert (folder / "hello").stat().st_mode & 0o111
    assert (folder / "greet").resolve() == folder / "hello"
    assert build.build(tool, progress=tell) == folder
    assert said == ["building hello 1"]


@pytest.mark.process
def test_a_damaged_build_is_made_again(tool: GoTool, said: list[str], tell: Callable[[str], None]) -> None:
    binary = build.build(tool, progress=tell) / "hello"
    good = binary.read_bytes()
    binary.write_bytes(good[:-1])
    build.build(tool, progress=tell)
    assert binary.read_bytes() == good
    assert len(said) == 2


@pytest.mark.process
def test_an_interrupted_build_leaves_nothing_that_is_used(tool: GoTool, tell: Callable[[str], None]) -> None:
    folder = build.folder(tool)
    partial = folder.parent / ".partial-dead"
    partial.mkdir(parents=True)
    (partial / "hello").write_text("half")
    assert build.build(tool, progress=tell) == folder
    assert not partial.exists()


def test_other_sources_are_another_build(tool: GoTool) -> None:
    before = build.folder(tool)
    (tool.module / "main.go").write_text(MAIN.replace("built", "rebuilt"))
    assert build.folder(tool) != before


@pytest.mark.process
def test_a_source_that_does_not_compile_is_one_sentence(tool: GoTool, tell: Callable[[str], None]) -> None:
    (tool.module / "main.go").write_text("package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(UserError, match=r"^hello 1 did not build: .*undefined: nothing"):
        build.build(tool, progress=tell)
    assert not build.folder(tool).exists()


@pytest.mark.process
def test_a_registry_that_does_not_answer_is_named(
    tool: GoTool, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")
    (tool.module / "go.mod").write_text("module hello\n\ngo 1.21\n\nrequire example.com/absent v1.0.0\n")
    (tool.module / "main.go").write_text('package main\n\nimport _ "example.com/absent"\n\nfunc main() {}\n')
    (tool.module / "go.sum").write_text(
        "example.com/absent v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "example.com/absent v1.0.0/go.mod h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    )
    with pytest.raises(UserError, match="registry did not answer while hello 1 was built"):
        build.build(tool, progress=tell)


def test_too_little_disk_is_said_before_anything_is_built(
    tool: GoTool, said: list[str], tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MINIMUM_FREE_GIB", 10**9)
    with pytest.raises(UserError, match="free some space, or point HMLOPS_CACHE"):
        build.build(tool, progress=tell)
    assert said == []


def test_a_missing_compiler_is_named(
    tool: GoTool, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="no Go compiler is on PATH"):
        build.build(tool, progress=tell)
