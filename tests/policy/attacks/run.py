"""One run of all mutations, in two processes, and its table."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.policy.attacks import settings
from tests.policy.attacks.families import FAMILIES, mutations, sample
from tests.policy.attacks.judge import Judge, Outcome
from tests.policy.attacks.stacks import STACKS, attacked

PROCESSES = 2
SEED = 15
_HEAD = """# Mutations
Changes of the dev and prod stacks, each with two hospitals, as an attacker or a careless colleague could make them:
from the types of the providers' SDKs and botocore's service models, and from tables written by hand
(`tests/policy/attacks/*.yaml`). `make attacks` makes and judges all of them and writes this page.

A mutation is caught if a new refusal names the changed resource, its neighbour or the path. What is harmless has a
reason in `harmless.yaml`, and adds no grant, connection or entry point to those that the pack computes. What escapes
is listed in `escapes.yaml`; `make test` runs a sample of each family, and fails on an escape that is not listed and
on one that is listed and caught.
"""


@dataclass(frozen=True, order=True)
class Judgement:
    """The outcome of one mutation, as it leaves its process.

    Parameters
    ----------
    family, api, operation
        What was changed.
    stack, resource
        Where.
    outcome
        Its outcome.
    why
        What caught it, or why it is harmless.
    """

    family: str
    api: str
    operation: str
    stack: str
    resource: str
    outcome: str
    why: str


def judged(family: str, stack: str, size: int = 0, part: int = 0, parts: int = 1) -> list[Judgement]:
    """Return the judgements of a family in a stack, of all of it or of a sample."""
    of = attacked(stack)
    found = mutations(family, stack)
    if size:
        found = sample(found, size, SEED)
    judge = Judge(of)
    made = []
    for mutation in found[part::parts]:
        one = judge.judge(mutation)
        name = mutation.subject.name
        made.append(Judgement(family, mutation.api, mutation.operation, stack, name, one.outcome.value, one.why))
    return made


def judged_settings() -> list[Judgement]:
    """Return the judgements of the changes of settings."""

    def outcome(change: settings.Change) -> Outcome:
        return Outcome.ESCAPED if settings.escapes(change) else Outcome.CAUGHT

    return [
        Judgement(settings.FAMILY, change.api, change.operation, "", "settings", outcome(change).value, "")
        for change in settings.changes()
    ]


ALL = (*FAMILIES, settings.FAMILY)


def run(families: Sequence[str] = ALL, stacks: Sequence[str] = STACKS, size: int = 0) -> list[Judgement]:
    """Return the judgements of families in stacks."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        tasks = [
            pool.submit(judged, family, stack, size, part, PROCESSES)
            for family in families
            if family in FAMILIES
            for stack in stacks
            for part in range(PROCESSES)
        ]
        found = [one for task in tasks for one in task.result()]
    return sorted([*found, *(judged_settings() if settings.FAMILY in families else ())])


def generated() -> int:
    """Return the number of all mutations."""
    graphs = sum(len(mutations(family, stack)) for family in FAMILIES for stack in STACKS)
    return graphs + sum(1 for _ in settings.changes())


def page(found: Sequence[Judgement], total: int) -> str:
    """Return the table of families, and the table of kinds of resources with the number of their operations."""
    part = "" if len(found) == total else f"This page is of a sample of {len(found):,} of {total:,} mutations.\n"
    outcomes = [outcome.value for outcome in Outcome]
    end = f"{' | '.join(outcomes)} |"
    lines = [_HEAD + part, f"| family | operations | generated | {end}", "|---|---|---|" + "---|" * len(outcomes)]
    for family in (*dict.fromkeys(one.family for one in found), ""):
        of = [one for one in found if family in ("", one.family)]
        lines.append(f"| {family or 'all'} | {_numbers(of, outcomes)} |")
    lines += ["", f"| family | API | operations | generated | {end}", "|---|---|---|---|" + "---|" * len(outcomes)]
    by_api: dict[tuple[str, str], list[Judgement]] = {}
    for one in found:
        by_api.setdefault((one.family, _api(one)), []).append(one)
    lines += [f"| {family} | `{api}` | {_numbers(of, outcomes)} |" for (family, api), of in sorted(by_api.items())]
    return "\n".join(lines) + "\n"


def _api(one: Judgement) -> str:
    """Return the kind of resource; of the family of kinds, their group or module."""
    return one.api.rpartition("/")[0] if one.family == "kinds" else one.api


def _numbers(found: Sequence[Judgement], outcomes: Sequence[str]) -> str:
    counts = Counter(one.outcome for one in found)
    operations = len({(one.api, one.operation) for one in found})
    numbers = (operations, counts.total(), *(counts[outcome] for outcome in outcomes))
    return " | ".join(f"{number:,}" for number in numbers)
