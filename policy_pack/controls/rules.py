"""Which function judges what: every control module enters its functions here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from policy_pack import controls
from policy_pack.stack.checks import About, Check, Findings
from policy_pack.stack.graph import STACK, Resource

ANY = "*"
Alone = Callable[[Resource], Findings]
Whole = Callable[[About], Findings]


@dataclass(frozen=True)
class Rule:
    """One function of a control.

    Parameters
    ----------
    control
        The control's id.
    kinds
        Types (without versions) of the resources that it looks at; ``*`` is all.
    joins
        Whether it needs the whole stack; one that does not is also run before a resource is made.
    check
        The function.
    module
        Where the function is.
    """

    control: str
    kinds: tuple[str, ...]
    joins: bool
    check: Check
    module: str


_RULES: list[Rule] = []


def on(control: str, *kinds: str) -> Callable[[Alone], Alone]:
    """Enter a function that judges single resources of some kinds by their own values."""

    def enter(check: Alone) -> Alone:
        _RULES.append(Rule(control, kinds, False, lambda resource, _: check(resource), check.__module__))
        return check

    return enter


def on_set(control: str, *kinds: str) -> Callable[[Check], Check]:
    """Enter a function that judges single resources, and also reads the pack's settings."""
    return _enter(control, kinds, joins=False)


def on_join(control: str, *kinds: str) -> Callable[[Check], Check]:
    """Enter a function that judges resources of some kinds by others of the stack."""
    return _enter(control, kinds, joins=True)


def on_stack(control: str) -> Callable[[Whole], Whole]:
    """Enter a function that judges the stack as a whole."""

    def enter(check: Whole) -> Whole:
        _RULES.append(Rule(control, (STACK,), True, lambda _, about: check(about), check.__module__))
        return check

    return enter


def _enter(control: str, kinds: tuple[str, ...], *, joins: bool) -> Callable[[Check], Check]:
    def enter(check: Check) -> Check:
        _RULES.append(Rule(control, kinds, joins, check, check.__module__))
        return check

    return enter


def entered(run: Callable[[], object]) -> tuple[Rule, ...]:
    """Return what a piece of code enters, and leave the rules as they were."""
    before = len(_RULES)
    run()
    made = tuple(_RULES[before:])
    del _RULES[before:]
    return made


@cache
def rules() -> tuple[Rule, ...]:
    """Return every function of every control module."""
    for module in walk_packages(controls.__path__, f"{controls.__name__}."):
        import_module(module.name)
    return tuple(_RULES)
