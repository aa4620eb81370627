"""One run of all mutations in a random order, which can be stopped and continued, and its table."""

import hashlib
import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.policy.attacks import settings
from tests.policy.attacks.families import FAMILIES, mutations, sample
from tests.policy.attacks.judge import Judge, Outcome
from tests.policy.attacks.listed import FOLDER
from tests.policy.attacks.mutation import Mutation
from tests.policy.attacks.stacks import STACKS, attacked
from tests.support.repository import REPOSITORY

PROCESSES = 2
SEED = 15
_HEAD = """# Mutations
Changes of the dev and prod stacks, each with two hospitals, as an attacker or a careless colleague could make them:
from the types of the providers' SDKs and botocore's service models, and from tables written by hand
(`tests/policy/attacks/*.yaml`). `make attacks` makes and judges all of them and writes this page.

A mutation is caught if a new refusal names the changed resource, its neighbour or the path. What is harmless has a
reason in `harmless.yaml` or `harmless_operations.yaml`, and adds no grant, connection or entry point to those that the
pack computes. What escapes is listed with a reason in `escapes.yaml`; `make test` runs a sample of each family, and
fails on an escape that is not listed and on one that is listed and caught.
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


def _order(families: Sequence[str], stacks: Sequence[str], size: int) -> list[tuple[str, Mutation]]:
    """Return the mutations of families in stacks, or a sample of each, in an order drawn by a seed."""
    found = [
        (family, mutation)
        for family in families
        if family in FAMILIES
        for stack in stacks
        for mutation in (sample(mutations(family, stack), size, SEED) if size else mutations(family, stack))
    ]
    random.Random(SEED).shuffle(found)
    return found


def revision() -> str:
    """Return a digest of the pack and of the mutations: judgements of another one are not continued."""
    digest = hashlib.sha256()
    for folder in (REPOSITORY / "policy_pack", FOLDER):
        paths = (one for one in folder.rglob("*") if one.suffix in (".py", ".yaml") and one.name != "escapes.yaml")
        for path in sorted(paths):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _key(one: Judgement) -> tuple[str, str, str, str]:
    return one.family, one.stack, one.api, one.operation


def _read(progress: Path) -> list[Judgement]:
    if not progress.exists():
        return []
    return [Judgement(**json.loads(line)) for line in progress.read_text(encoding="utf-8").splitlines()]


def _judge(part: int, chosen: tuple[Sequence[str], Sequence[str], int], progress: Path, until: float) -> None:
    """Judge a part of the mutations until a time, and add each judgement to a file at once."""
    done = {_key(one) for one in _read(progress)}
    judges = {stack: Judge(attacked(stack)) for stack in chosen[1]}
    with progress.open("a", encoding="utf-8", buffering=1) as file:
        for family, mutation in _order(*chosen)[part::PROCESSES]:
            if (family, mutation.stack, mutation.api, mutation.operation) in done:
                continue
            if time.monotonic() > until:
                return
            one = judges[mutation.stack].judge(mutation)
            subject = mutation.subject.name
            made = Judgement(
                family, mutation.api, mutation.operation, mutation.stack, subject, one.outcome.value, one.why
            )
            file.write(json.dumps(asdict(made)) + "\n")


def judged_settings() -> list[Judgement]:
    """Return the judgements of the changes of settings."""

    def outcome(change: settings.Change) -> Outcome:
        return Outcome.ESCAPED if settings.escapes(change) else Outcome.CAUGHT

    return [
        Judgement(settings.FAMILY, change.api, change.operation, "", "settings", outcome(change).value, "")
        for change in settings.changes()
    ]


ALL = (*FAMILIES, settings.FAMILY)


def run(
    progress: Path, families: Sequence[str] = ALL, stacks: Sequence[str] = STACKS, size: int = 0, minutes: float = 0
) -> list[Judgement]:
    """Return the judgements of families in stacks, with those that a file has of a run before.

    Parameters
    ----------
    progress
        The file of judgements, which is continued.
    families, stacks
        What is judged.
    size
        The size of a sample of each family; 0 is all.
    minutes
        After which the run ends, whatever is left; 0 is never.
    """
    until = time.monotonic() + minutes * 60 if minutes else math.inf
    chosen = (families, stacks, size)
    progress.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(PROCESSES) as pool:
        for task in [pool.submit(_judge, part, chosen, progress, until) for part in range(PROCESSES)]:
            task.result()
    wanted = {(family, one.stack, one.api, one.operation) for family, one in _order(*chosen)}
    found = [one for one in _read(progress) if _key(one) in wanted]
    return sorted([*found, *(judged_settings() if settings.FAMILY in families else ())])


def generated() -> int:
    """Return the number of all mutations."""
    graphs = sum(len(mutations(family, stack)) for family in FAMILIES for stack in STACKS)
    return graphs + sum(1 for _ in settings.changes())


def page(found: Sequence[Judgement], total: int) -> str:
    """Return the table of families, and the table of kinds of resources with the number of their operations."""
    part = "" if len(found) == total else f"This page is of {len(found):,} of {total:,} mutations, drawn at random.\n"
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
