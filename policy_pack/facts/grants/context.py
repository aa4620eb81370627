"""Context of the evaluators of grants: the names of principals and data in the table of access."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from policy_pack.facts.grants.access_table import HOSPITAL, AccessTable, access_table
from policy_pack.facts.grants.grant import Data, Subject
from policy_pack.facts.zone_table import SHARED
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph
from policy_pack.stack.kinds import NAMESPACE, SERVICE_ACCOUNT
from policy_pack.stack.text import known_text


@dataclass(frozen=True)
class Part:
    """A part of a place, by the prefix of its contents, and its data; no prefix is all of the place."""

    prefix: str
    data: Data


@dataclass(frozen=True)
class _Place:
    kind: str
    pattern: re.Pattern[str]
    prefix: str
    data: str


class AccessContext:
    """A stack, and the names of its principals and data in the table of access.

    Parameters
    ----------
    graph
        The stack.
    settings
        The settings of the pack.
    """

    def __init__(self, graph: Graph, settings: Settings) -> None:
        self.graph = graph
        self.source = settings.access
        self.table: AccessTable = access_table(settings.access, graph.stack)
        self.hospitals = _hospitals(graph, settings.prefix)
        self._longest_first = sorted(self.hospitals, key=len, reverse=True)
        self._known: dict[tuple[str, str], tuple[Part, ...]] = {}

    # --- principals ------------------------------------------------------------------------------
    def service_account(self, namespace: str, name: str) -> Subject:
        """Return a ServiceAccount: ``ServiceAccount phi/ingestor`` of north for ``north-phi/ingestor``.

        A pattern such as ``*`` remains in the name, which no principal of the table has.
        """
        hospital, zone = self.split(namespace)
        return Subject(f"ServiceAccount {zone}/{name}", hospital)

    def role(self, name: str, used_by: str) -> Subject:
        """Return an AWS role, by its logical name, used by a service (``backup.amazonaws.com``) or by ``people``."""
        hospital, rest = self.split(name)
        return Subject(f"role {rest} used by {used_by}", hospital)

    @staticmethod
    def service(name: str) -> Subject:
        """Return a service of AWS that a resource policy names."""
        return Subject(f"service {name}")

    def split(self, name: str) -> tuple[str, str]:
        """Return the hospital whose name begins a name, and the rest: (north, raw) of ``north-raw``."""
        for hospital in self._longest_first:
            for separator in "-/_.":
                if name.startswith(f"{hospital}{separator}"):
                    return hospital, name[len(hospital) + 1 :]
        return "", name

    def workloads(self) -> list[Subject]:
        """Return the ServiceAccounts that the stack declares."""
        accounts = ((known_text(one.at("metadata.namespace")), one) for one in self.graph.of(SERVICE_ACCOUNT))
        return [self.service_account(place, known_text(one.at("metadata.name"))) for place, one in accounts]

    # --- data ------------------------------------------------------------------------------------
    def parts(self, kind: str, name: str) -> tuple[Part, ...]:
        """Return the parts of a place and their data, longest prefix first; the first class that fits is the class.

        A place that the table does not describe is one part, whose data class no row can allow.
        """
        if (kind, name) not in self._known:
            self._known[kind, name] = self._parts(kind, name)
        return self._known[kind, name]

    def data(self, kind: str, name: str) -> Data:
        """Return the data of a place that has no parts."""
        return self.parts(kind, name)[-1].data

    def _parts(self, kind: str, name: str) -> tuple[Part, ...]:
        by_prefix: dict[str, Part] = {}
        for place in self._places[kind]:
            match = place.pattern.fullmatch(name)
            if match and place.prefix not in by_prefix:
                data = Data(place.data, match.groupdict().get("hospital") or "")
                by_prefix[place.prefix] = Part(place.prefix, data)
        rest = Data(f"{kind} {name} (not described in access.yaml)", self.split(name)[0])
        by_prefix.setdefault("", Part("", rest))
        return tuple(sorted(by_prefix.values(), key=lambda part: -len(part.prefix)))

    @cached_property
    def _places(self) -> dict[str, list[_Place]]:
        by_kind: dict[str, list[_Place]] = defaultdict(list)
        hospitals = "|".join(re.escape(name) for name in self._longest_first) or "(?!)"
        for data, row in self.table.data.items():
            for text in row.places:
                kind, _, rest = text.partition(" ")
                name, _, prefix = rest.partition("/") if kind == "bucket" else (rest, "", "")
                pattern = re.escape(name).replace(re.escape(HOSPITAL), f"(?P<hospital>{hospitals})", 1)
                pattern = pattern.replace(r"\*", ".*")
                by_kind[kind].append(_Place(kind, re.compile(pattern), prefix, data))
        return by_kind


def _hospitals(graph: Graph, prefix: str) -> frozenset[str]:
    """Return the hospitals of a stack: the program's components, and the labels of namespaces."""
    named = {resource.name for resource in graph.of(f"{prefix}:workloads:Hospital")}
    labels = (namespace.at("metadata.labels").key(f"{prefix}/hospital") for namespace in graph.of(NAMESPACE))
    return frozenset((named | {known_text(label) for label in labels}) - {"", SHARED})
