"""The page ``docs/admission.md``: what is refused at preview, and what at admission.

``python -m tests.admission.table > docs/admission.md`` writes it, with the embedded environment up.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from local.paths import Home
from local.stack import jobs
from policy_pack.engine.evaluate import Evaluator
from tests.admission.attempts import Attempt, attempts
from tests.admission.requests import ABSENT, ADMITTED, INVALID, UNSERVED, OrdinaryUser, ordinary_user
from tests.policy.changes.planting import Stack, own
from tests.policy.evaluation import BROKEN
from tests.support.repository import REPOSITORY

PAGE = REPOSITORY / "docs" / "admission.md"
OUTSIDE = "outside the zones"
_REASONS = Path(__file__).with_name("reasons.yaml")
_HEAD = """# What is refused at preview, and what at admission
The policy pack refuses a violation before an update; the API server refuses it whoever sends it, by the
ValidatingAdmissionPolicies of `workloads/admission/admission.yaml`. Each row is a violation that can be written as a
Kubernetes object, tried against the embedded cluster as a user who may create every object: the pods of an attacker's
own list in three kinds, other objects of that list, and the seeded violations of the pack's tests. *Invalid* means that
the API server refuses the object in every cluster.

ValidatingAdmissionPolicies do not judge requests for ValidatingAdmissionPolicies: who may write these is a matter of
RBAC, and control AC-10 refuses roles that may. `python -m tests.admission.table > docs/admission.md` writes this page.

"""


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Reason:
    """Why some violations are not refused."""

    violation: str
    reason: str


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Reasons:
    """The rows of ``reasons.yaml``: what admission does not refuse, and what the pack does not."""

    admission: tuple[Reason, ...]
    preview: tuple[Reason, ...]


@dataclass(frozen=True)
class Row:
    """A violation, the controls that refuse it at preview, and who refuses it at admission."""

    title: str
    controls: str
    admission: str

    @property
    def text(self) -> str:
        """The row of the table."""
        return f"| {self.title} | {self.controls} | {self.admission} |"


@cache
def reasons() -> Reasons:
    """Return the rows of ``reasons.yaml``."""
    return TypeAdapter(Reasons).validate_python(yaml.safe_load(_REASONS.read_text(encoding="utf-8")))


def stack() -> Stack:
    """Return the dev stack with a release in service."""
    with tempfile.TemporaryDirectory() as root:
        return own("dev", Path(root))


def rows(of: Stack, user: OrdinaryUser) -> Iterator[Row]:
    """Try every violation, and return the rows of the table."""
    evaluator = Evaluator(of.settings, of.addresses)
    before = _findings(evaluator, of, None)
    for attempt in attempts(of.graph):
        if attempt.control:
            controls = attempt.control
        else:
            new = _findings(evaluator, of, attempt) - before
            controls = ", ".join(sorted({control for control, _ in new})) or _no(attempt, reasons().preview)
        yield Row(attempt.title, controls, _admission(attempt, user))


def _findings(evaluator: Evaluator, of: Stack, attempt: Attempt | None) -> set[tuple[str, str]]:
    graph = attempt.changed if attempt else of.graph
    return {
        (result.control, f"{result.urn} {result.path} {result.message}")
        for result in evaluator.evaluate_stack(graph)
        if result.status in BROKEN
    }


def _admission(attempt: Attempt, user: OrdinaryUser) -> str:
    if attempt.outside:
        return OUTSIDE
    answer = (user.delete if attempt.deletes else user.create)(attempt.manifest)
    if answer in (UNSERVED, ABSENT):
        return "the cluster does not have it"
    if answer != ADMITTED:
        return "yes, invalid" if answer == INVALID else f"yes, {answer.partition(':')[0]}"
    return _no(attempt, reasons().admission)


def _no(attempt: Attempt, why: tuple[Reason, ...]) -> str:
    found = [one.reason for one in why if fnmatchcase(attempt.title, one.violation)]
    return f"no: {found[0]}" if found else "no"


def page(found: Iterable[Row]) -> str:
    """Return the page."""
    table = ["| violation | refused at preview | refused at admission |", "|---|---|---|"]
    return _HEAD + "\n".join([*table, *(row.text for row in found)]) + "\n"


if __name__ == "__main__":
    with jobs.connect(Home.default()) as api, ordinary_user(api) as ordinary:
        sys.stdout.write(page(rows(stack(), ordinary)))
