"""Acting as another principal: what its grants are, of everything that one principal can become."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from policy_pack.facts.grants.grant import Grant, Subject


@dataclass(frozen=True)
class Target:
    """Principals that another one can act as.

    Parameters
    ----------
    name
        A principal's name; ``*`` at its beginning or end is any text, such as in ``ServiceAccount phi/*``.
    hospital
        The hospital; None for every one.
    """

    name: str
    hospital: str | None

    def includes(self, subject: Subject) -> bool:
        """Return whether a principal is one of them."""
        if self.hospital is not None and subject.hospital != self.hospital:
            return False
        if self.name.endswith("*"):
            return subject.name.startswith(self.name.removesuffix("*"))
        if self.name.startswith("*"):
            return subject.name.endswith(self.name.removeprefix("*"))
        return subject.name == self.name


@dataclass(frozen=True)
class Acting:
    """Ability of a principal to act as others.

    Parameters
    ----------
    subject
        The principal.
    target
        The others.
    path
        The steps, as text for a reader.
    source
        The URN of the resource that allows it.
    certain
        False where a value that decides is not known before the update.
    """

    subject: Subject
    target: Target
    path: tuple[str, ...]
    source: str
    certain: bool = True


def with_acting(grants: Iterable[Grant], acting: Iterable[Acting]) -> list[Grant]:
    """Return grants with those that principals have by acting as others, through any number of steps."""
    direct = list(grants)
    by_subject: dict[Subject, list[Grant]] = defaultdict(list)
    for grant in direct:
        by_subject[grant.subject].append(grant)
    steps: dict[Subject, list[Acting]] = defaultdict(list)
    for one in acting:
        steps[one.subject].append(one)
    found = _Subjects([*by_subject, *steps])
    indirect = [
        replace(
            grant,
            subject=subject,
            path=(*path, *grant.path),
            source=source,
            certain=grant.certain and certain,
            acted=other,
        )
        for subject in steps
        for other, path, source, certain in _reached(subject, steps, found)
        for grant in by_subject.get(other, ())
    ]
    return [*direct, *indirect]


class _Subjects:
    """The principals of a stack, by what targets name: so that not every target is compared with every principal."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._all = list(dict.fromkeys(subjects))
        self._by_key: dict[tuple[str, str], list[Subject]] = defaultdict(list)
        for subject in self._all:
            self._by_key[subject.hospital, subject.name].append(subject)
            self._by_key[subject.hospital, f"{subject.name.partition('/')[0]}/*"].append(subject)

    def of(self, target: Target) -> list[Subject]:
        """Return the principals of a target."""
        if target.hospital is not None:
            return self._by_key[target.hospital, target.name]
        return [subject for subject in self._all if target.includes(subject)]


def _reached(
    start: Subject, steps: dict[Subject, list[Acting]], subjects: _Subjects
) -> Iterator[tuple[Subject, tuple[str, ...], str, bool]]:
    """Return the principals that one can act as, with the path, the first resource that allows it, and certainty.

    What is certain is followed first, so that a step that is not known yet hides no certain one.
    """
    for only_certain in (True, False):
        seen = {start}
        pending: list[tuple[Subject, tuple[str, ...], str, bool]] = [(start, (), "", True)]
        while pending:
            subject, path, source, certain = pending.pop()
            for step in steps.get(subject, ()):
                if only_certain and not step.certain:
                    continue
                for other in subjects.of(step.target):
                    if other not in seen:
                        seen.add(other)
                        reached = (other, (*path, *step.path), source or step.source, certain and step.certain)
                        pending.append(reached)
                        if only_certain or not reached[3]:
                            yield reached
