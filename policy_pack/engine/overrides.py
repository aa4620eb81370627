"""Settings from outside of the reviewed file (``settings.yaml``), which may only make the pack stricter."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from policy_pack import tables
from policy_pack.errors import PackError
from policy_pack.settings import DEFAULT, NPRM, Evidence, Level, Services, Settings, Written, load, parse

WEIGHT = {Level.OFF: 0, Level.ADVISORY: 1, Level.MANDATORY: 2}


def read(path: Path) -> Settings:
    """Return the reviewed settings, made stricter by those of another file.

    Raises
    ------
    PackError
        When a file cannot be read, or a setting of the other file is weaker than the reviewed one.
    """
    reviewed = load()
    return reviewed if path.resolve() == DEFAULT else stricter(reviewed, tables.document(path), str(path))


def stricter(reviewed: Settings, changes: Any, source: str) -> Settings:
    """Return settings with some of them changed; raises `PackError` when one is weaker than the reviewed one."""
    if changes is not None and not isinstance(changes, Mapping):
        raise PackError(f"{source} must be a map of settings, such as profiles: {{{NPRM}: mandatory}}.")
    own = reviewed.model_dump(mode="json", include=set(Written.model_fields))
    settings = parse({**own, **(changes or {})}, source)
    for field in Written.model_fields:
        before, after = getattr(reviewed, field), getattr(settings, field)
        allowed = _STRICTER.get(field)
        if before != after and not (allowed and allowed(before, after)):
            raise PackError(f"{source}: {field} is weaker than in {DEFAULT.name}; change that file in a review.")
    return settings.model_copy(update={"today": reviewed.today, "clock_problem": reviewed.clock_problem})


def _profiles(before: Mapping[str, Level], after: Mapping[str, Level]) -> bool:
    """Return whether no profile has a lower level."""
    default = Level.ADVISORY
    return WEIGHT[after.get(NPRM, default)] >= WEIGHT[before.get(NPRM, default)]


def _data_classes(before: Mapping[str, bool], after: Mapping[str, bool]) -> bool:
    """Return whether every class without PHI was one before."""
    return all(phi or before.get(name) is False for name, phi in after.items())


def _services(before: Services, after: Services) -> bool:
    """Return whether no list allows more, and no denied port is left out."""
    return (
        set(after.packages) <= set(before.packages)
        and set(after.aws) <= set(before.aws)
        and set(after.regions) <= set(before.regions)
        and set(after.eks_versions) <= set(before.eks_versions)
        and set(after.registries) <= set(before.registries)
        and set(after.denied_ports) >= set(before.denied_ports)
    )


def _evidence(before: Evidence, after: Evidence) -> bool:
    """Return whether no date is later than the reviewed one."""
    pairs = [(getattr(before, field), getattr(after, field)) for field in Evidence.model_fields]
    return all(new is None or (old is not None and new <= old) for old, new in pairs)


_STRICTER: Mapping[str, Callable[[Any, Any], bool]] = {
    "synthetic": lambda before, after: set(after) <= set(before),
    "profiles": _profiles,
    "data_classes": _data_classes,
    "services": _services,
    "evidence": _evidence,
    "exemptions": lambda before, after: all(exemption in before for exemption in after),
    # A mirror adds the check of files to that of annotations.
    "releases": lambda before, after: before is None and after is not None,
}
