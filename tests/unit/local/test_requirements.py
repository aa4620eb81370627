"""The embedded environment is a member of the workspace: its own file lists what it imports."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.support.repository import REPOSITORY

FOLDER = REPOSITORY / "local"
# Runs in an image, with the packages of the group `storage`.
IN_AN_IMAGE = FOLDER / "images" / "storage_initializer.py"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported() -> set[str]:
    names = set()
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file != IN_AN_IMAGE else ():
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    return names - sys.stdlib_module_names - {"local"}


def test_what_it_imports_is_what_it_requires() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {_normal(re.split(r"[\[=<>~!]", line)[0]) for line in project["dependencies"]}
    distributions = packages_distributions()
    # A namespace such as `google` belongs to several packages, of which one is enough.
    missing = [name for name in sorted(_imported()) if not required & set(map(_normal, distributions[name]))]
    assert missing == []


def test_the_project_s_group_is_the_member() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["dependency-groups"]["local"] == ["healthcare-mlops-local"]
    assert project["tool"]["uv"]["workspace"]["members"] == ["local"]
