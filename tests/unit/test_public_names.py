"""Public names of packages: numpydoc sections that fit what a name is, and examples that run."""

import doctest
import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

import model
from tests.support.model.examples import TO_FEATURES, TO_SCORES
from tests.support.repository import REPOSITORY

ROOTS = ("hmlops", "infra", "workloads", "services", "model", "policy_pack", "local", "bench")
PACKAGES = ("model", "model.dataset.tables", "model.fhir_server", "model.gates", "model.scoring")
# These use each other's files, so tests/support/model/examples.py runs them one after another.
IN_SEQUENCE = {id(getattr(model, name)) for name in (*TO_FEATURES, *TO_SCORES)}


def public() -> Iterator[tuple[str, Callable[..., object]]]:
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            if callable(value := getattr(module, name)):
                yield f"{package}.{name}", value


def needed(value: Callable[..., object]) -> Iterator[tuple[str, ...]]:
    """Yield the sections that a docstring needs, with the names that each may have."""
    yield ("Examples",)
    if inspect.isclass(value):
        if not issubclass(value, Exception):
            yield ("Parameters", "Attributes")
        return
    signature = inspect.signature(value)
    if signature.parameters:
        yield ("Parameters",)
    if signature.return_annotation not in (None, "None"):
        yield ("Returns",)


def with_examples() -> list[str]:
    """Return the modules whose docstrings have examples."""
    files = (file for root in ROOTS for file in sorted((REPOSITORY / root).rglob("*.py")))
    return [name_of(file) for file in files if "    >>> " in file.read_text(encoding="utf-8")]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)


@pytest.mark.parametrize(("name", "value"), [pytest.param(*one, id=one[0]) for one in public()])
def test_a_public_name_has_the_sections_of_numpydoc(name: str, value: Callable[..., object]) -> None:
    docstring = inspect.getdoc(value) or ""
    missing = [" or ".join(names) for names in needed(value) if not any(f"\n{one}\n---" in docstring for one in names)]
    assert missing == [], name


@pytest.mark.parametrize("module", with_examples())
def test_examples_run(module: str) -> None:
    loaded = import_module(module)
    runner = doctest.DocTestRunner()
    report: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(loaded):
        owner = getattr(loaded, test.name.removeprefix(f"{module}.").partition(".")[0], None)
        if id(owner) not in IN_SEQUENCE:
            runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
