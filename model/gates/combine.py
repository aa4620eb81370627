"""Custom gates file, combined with the package's: stricter gates, and exceptions for less strict ones."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from model.errors import UserError
from model.gates.exceptions import GateException
from model.gates.gate import Gate
from model.gates.table import Approval, GateTable, Minimum, Profile, package_table, read_table
from model.io.yaml_tables import fault_text


def gate_table(path: Path | None = None, *, today: date | None = None) -> GateTable:
    """Return the package's gates table, or its combination with a hospital's own file.

    Parameters
    ----------
    path : Path, optional
        Gates file of the hospital, of the same form as the package's.
    today : date, optional
        Date on which its exceptions must be in force.

    Returns
    -------
    GateTable
        The stricter of both tables.

    Raises
    ------
    UserError
        If the file is not valid, lowers a gate without an exception, or has an exception that is not in force.

    Examples
    --------
    >>> from model.gates import gate_table
    >>> sorted(gate_table().policy)
    ['high', 'low', 'medium']
    """
    return package_table() if path is None else own_table(read_table(path), f"The gates file {path}", today=today)


def own_table(own: GateTable, where: str, *, today: date | None = None) -> GateTable:
    """Return the package's table with what a hospital's own asks for; its exceptions must be in force."""
    table = combined(package_table(), own, where)
    for profile in table.profiles.values():
        for exception in profile.exceptions:
            fault = exception.fault(profile.exception_rule, today or date.today())
            if fault:
                raise UserError(f"{where} cannot be used: {fault}.")
    return table


def table_of_run(gates: dict[str, object]) -> GateTable:
    """Return the gates table of a run: the package's, combined with the one of its training.

    Parameters
    ----------
    gates : dict
        Table as the run recorded it.

    Returns
    -------
    GateTable
        The stricter of both tables.

    Raises
    ------
    UserError
        If the run was trained under another version of the table, or its gates were lowered since.

    Examples
    --------
    >>> from model.gates import gate_table, table_of_run
    >>> table_of_run(gate_table().model_dump(mode="json")) == gate_table()
    True
    """
    try:
        own = GateTable.model_validate(gates)
    except ValidationError as fault:
        raise UserError(f"The run's gates do not fit this package: {fault_text(fault)}; run train again.") from None
    if own.version != package_table().version:
        raise UserError(
            f"The run was trained under version {own.version} of the gates, and this package has version "
            f"{package_table().version}; run train again."
        )
    return combined(package_table(), own, "The run's table of gates")


def combined(package: GateTable, own: GateTable, where: str) -> GateTable:
    """Return the stricter of two tables for each profile of the package.

    Raises
    ------
    UserError
        When the own table asks for less than the package's, or has a profile that the package does not have.
    """
    for name in own.profiles:
        if name not in package.profiles:
            names = ", ".join(sorted(package.profiles))
            raise UserError(f"{where} has a profile {name}, by which no release is judged; the profiles are {names}.")
    if (own.small_group.discharges, own.small_group.outcomes) != (
        package.small_group.discharges,
        package.small_group.outcomes,
    ):
        raise UserError(f"{where} changes small_group, which decides the groups that are judged; leave it as it is.")
    if own.evaluated.discharges < package.evaluated.discharges or own.evaluated.outcomes < package.evaluated.outcomes:
        raise UserError(f"{where} calls an evaluation of less test data evaluated; raise evaluated to the package's.")
    profiles = {
        name: _profile(profile, own.profiles[name], f"{where}, profile {name},") if name in own.profiles else profile
        for name, profile in package.profiles.items()
    }
    return package.model_copy(update={"profiles": profiles, "policy": own.policy, "evaluated": own.evaluated})


def _profile(package: Profile, own: Profile, where: str) -> Profile:
    if own.groups is not None and (package.groups is None or not set(package.groups) <= set(own.groups)):
        raise UserError(f"{where} leaves out attributes whose subgroups are judged; remove groups.")
    gates = _gates(package.gates, own.gates, where)
    return package.model_copy(
        update={
            "minimum": _larger(package.minimum, own.minimum),
            "gates": gates,
            "straddle": "warn" if package.straddle == own.straddle == "warn" else "margin",
            "groups": own.groups if package.groups is not None else None,
            "baseline_required": package.baseline_required or own.baseline_required,
            "card_complete": package.card_complete or own.card_complete,
            "may_be_unevaluated": package.may_be_unevaluated and own.may_be_unevaluated,
            "leakage": "warn" if package.leakage == own.leakage == "warn" else "refuse",
            "approval": _approval(package.approval, own.approval, where),
            "ethics_approval": _approval(package.ethics_approval, own.ethics_approval, where),
            "exceptions": _exceptions(gates, own.exceptions, where),
        }
    )


def _approval(package: Approval | None, own: Approval | None, where: str) -> Approval | None:
    if package is None or own is None:
        return package or own
    strangers = set(own.roles) - set(package.roles)
    if strangers:
        raise UserError(f"{where} lets a {', '.join(sorted(strangers))} approve; remove the role.")
    return own


def _larger(package: Minimum, own: Minimum) -> Minimum:
    return Minimum(
        discharges=max(package.discharges, own.discharges),
        readmissions=max(package.readmissions, own.readmissions),
        patients=max(package.patients, own.patients),
    )


def _gates(package: Iterable[Gate], own: Iterable[Gate], where: str) -> tuple[Gate, ...]:
    """Return the package's gates, each as strict as either asks, and the own ones after them."""
    theirs = {gate.name: gate for gate in own}
    kept = [_stricter(gate, theirs.pop(gate.name), where) if gate.name in theirs else gate for gate in package]
    return (*kept, *theirs.values())


def _stricter(package: Gate, own: Gate, where: str) -> Gate:
    if own.metric != package.metric:
        raise UserError(
            f"{where} judges {own.metric} under the name {package.name}, which judges {package.metric}; "
            "give the gate another name."
        )
    if _lowers(package, own):
        margin = f" within {package.margin:g}" if package.margin else ""
        raise UserError(
            f"{where} lowers the gate {package.name}, which asks for {package.demand}{margin}; to lower it, give an "
            "exception with the new bound, a reason, who approved it and an end date."
        )
    return own


def _lowers(package: Gate, own: Gate) -> bool:
    return (
        _beyond(package.at_least, own.at_least, sign=1)
        or _beyond(package.at_most, own.at_most, sign=-1)
        or own.margin > package.margin
        or own.holds != package.holds
        or (own.with_baseline and not package.with_baseline)
        or (own.where_recorded and not package.where_recorded)
    )


def _beyond(package: float | None, own: float | None, *, sign: int) -> bool:
    """Return whether a bound is absent or asks for less."""
    return package is not None and (own is None or sign * own < sign * package)


def _exceptions(gates: Iterable[Gate], own: tuple[GateException, ...], where: str) -> tuple[GateException, ...]:
    by_name = {gate.name: gate for gate in gates}
    for name, times in Counter(exception.gate for exception in own).items():
        if times > 1:
            raise UserError(f"{where} has two exceptions for the gate {name}; keep one.")
        if name not in by_name:
            near = get_close_matches(name, by_name, n=1, cutoff=0.0)[0]
            raise UserError(
                f"{where} has an exception for the gate {name}, which does not exist; the nearest is {near}."
            )
    for exception in own:
        gate = by_name[exception.gate]
        for bound, lower in (("at_least", -1), ("at_most", 1)):
            new, old = getattr(exception, bound), getattr(gate, bound)
            if new is not None and (old is None or lower * new <= lower * old):
                asked = "no such bound" if old is None else f"{bound} {old:g}"
                raise UserError(
                    f"{where} has an exception with {bound} {new:g} for the gate {gate.name}, which lowers nothing: "
                    f"the gate has {asked}."
                )
    return own
