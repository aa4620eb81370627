"""Lists of mutations with the reason of each: the ones that escape, and the harmless ones that no pattern takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

FOLDER = Path(__file__).parent
Key = tuple[str, str, str]
"""Family, API and operation of a mutation."""
OPEN = "open"
"""The reason of an escape that nobody has looked into."""


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class _File:
    reasons: dict[str, str]
    mutations: dict[str, dict[str, dict[str, list[str]]]]


@dataclass(frozen=True)
class Listed:
    """A list of mutations.

    Parameters
    ----------
    reasons
        Sentences by their names.
    of
        The name of the reason of each mutation.
    """

    reasons: Mapping[str, str]
    of: Mapping[Key, str]

    def why(self, key: Key) -> str | None:
        """Return the reason of a mutation; None where it is not in the list."""
        return self.reasons[self.of[key]] if key in self.of else None

    def with_only(self, keys: Iterable[Key]) -> "Listed":
        """Return a list of these mutations, each with its reason so far."""
        return Listed(self.reasons, {key: self.of.get(key, OPEN) for key in keys})

    def written(self) -> str:
        """Return the list as YAML."""
        rows: dict[str, dict[str, dict[str, list[str]]]] = {}
        for (family, api, operation), reason in sorted(self.of.items()):
            rows.setdefault(family, {}).setdefault(api, {}).setdefault(reason, []).append(operation)
        used = set(self.of.values())
        reasons = {name: text for name, text in self.reasons.items() if name in used}
        return yaml.safe_dump({"reasons": reasons, "mutations": rows}, width=1000, allow_unicode=True, sort_keys=False)


@cache
def listed(name: str) -> Listed:
    """Return a list of this folder."""
    file = TypeAdapter(_File).validate_python(tables.document(FOLDER / f"{name}.yaml"))
    return Listed(
        file.reasons,
        {
            (family, api, operation): reason
            for family, apis in file.mutations.items()
            for api, reasons in apis.items()
            for reason, operations in reasons.items()
            for operation in operations
        },
    )
