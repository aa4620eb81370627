"""The registry of checks: every module of controls registers its functions here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from policy_pack import controls
from policy_pack.stack.checks import Check, Findings, StackContext
from policy_pack.stack.graph import STACK, Resource

ANY = "*"
ResourceFunction = Callable[[Resource], Findings]
StackFunction = Callable[[StackContext], Findings]


@dataclass(frozen=True)
class Rule:
    """One check of a control.

    Parameters
    ----------
    control
        The id of the control.
    kinds
        Kinds (types without versions) of the resources that it evaluates; ``*`` is all.
    whole_stack
        Whether it needs the whole stack; other checks also run before a resource is created.
    check
        The function.
    module
        The module of the function.
    """

    control: str
    kinds: tuple[str, ...]
    whole_stack: bool
    check: Check
    module: str


_RULES: list[Rule] = []


def resource_check(control: str, *kinds: str) -> Callable[[ResourceFunction], ResourceFunction]:
    """Register a function that evaluates single resources by their own properties."""

    def register(check: ResourceFunction) -> ResourceFunction:
        _RULES.append(Rule(control, kinds, False, lambda resource, _: check(resource), check.__module__))
        return check

    return register


def context_check(control: str, *kinds: str) -> Callable[[Check], Check]:
    """Register a function that evaluates single resources, and also reads the settings of the pack."""
    return _register(control, kinds, whole_stack=False)


def join_check(control: str, *kinds: str) -> Callable[[Check], Check]:
    """Register a function that evaluates resources together with other resources of the stack."""
    return _register(control, kinds, whole_stack=True)


def stack_check(control: str) -> Callable[[StackFunction], StackFunction]:
    """Register a function that evaluates the stack as a whole."""

    def register(check: StackFunction) -> StackFunction:
        _RULES.append(Rule(control, (STACK,), True, lambda _, context: check(context), check.__module__))
        return check

    return register


def _register(control: str, kinds: tuple[str, ...], *, whole_stack: bool) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _RULES.append(Rule(control, kinds, whole_stack, check, check.__module__))
        return check

    return register


def registered_by(run: Callable[[], object]) -> tuple[Rule, ...]:
    """Return the rules that a function registers, and remove them from the registry again."""
    before = len(_RULES)
    run()
    registered = tuple(_RULES[before:])
    del _RULES[before:]
    return registered


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules of every module of controls."""
    for module in walk_packages(controls.__path__, f"{controls.__name__}."):
        import_module(module.name)
    return tuple(_RULES)
