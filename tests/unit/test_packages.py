"""The tree: every package says what belongs in it, stays small, and imports only what it may."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import REPOSITORY

ROOTS = ("hmlops", "infra", "workloads", "services", "model", "policy_pack", "local", "bench")
MOST_MODULES = 17
MOST_LEVELS = 3


def packages() -> list[Path]:
    return sorted(file.parent for root in ROOTS for file in (REPOSITORY / root).rglob("__init__.py"))


def name(package: Path) -> str:
    return str(package.relative_to(REPOSITORY))


@pytest.mark.parametrize("package", packages(), ids=name)
def test_a_package_is_small(package: Path) -> None:
    assert len(package.relative_to(REPOSITORY).parts) <= MOST_LEVELS
    assert len([file for file in package.glob("*.py") if file.name != "__init__.py"]) <= MOST_MODULES


def test_the_page_of_the_architecture_lists_every_package() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    holding = [package for package in packages() if len(list(package.glob("*.py"))) > 1 and name(package) not in ROOTS]
    assert [name(package) for package in holding if f"| `{name(package)}/` |" not in page] == []


def test_a_forbidden_import_is_refused(tmp_path: Path) -> None:
    for root in (*ROOTS, "tests"):
        shutil.copytree(REPOSITORY / root, tmp_path / root, ignore=shutil.ignore_patterns("__pycache__", "java", "go"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    module = tmp_path / "infra" / "blocks" / "bucket.py"
    module.write_text(module.read_text(encoding="utf-8") + "\nfrom workloads.blocks import pod\n", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "infra.blocks.bucket -> workloads.blocks.pod" in found.stdout
