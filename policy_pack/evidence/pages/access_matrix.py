"""The access matrix as tables: what a hospital's workloads can do, and who else can do anything."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from policy_pack.evidence.report import Report
from policy_pack.facts.access import Access
from policy_pack.facts.rbac_access import Ability

# Words that mean that somebody sees what is in a store.
SEEING = ("read", "decrypt", "select", "connect", "export", "restore", "take a login")


@dataclass(frozen=True)
class Row:
    """A store, and what each principal of the columns can do with it."""

    store: str
    data_class: str
    phi: str
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Matrix:
    """The stores that a hospital's workloads reach, and the hospital's own that none of them reaches."""

    hospital: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    details: tuple[Access, ...]


@dataclass(frozen=True)
class Other:
    """What somebody who is no workload of a hospital can do, and with which stores."""

    who: str
    verbs: tuple[str, ...]
    stores: tuple[str, ...]
    through: tuple[str, ...]
    when: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """What somebody can do in a namespace of the cluster."""

    who: str
    namespace: str
    abilities: tuple[str, ...]
    through: tuple[str, ...]


def of_hospital(report: Report, hospital: str) -> Matrix:
    """Return the matrix of a hospital."""
    accounts = {pod.title for pod in report.network.pods if pod.hospital == hospital}
    homes = {pod.namespace for pod in report.network.pods if pod.hospital == hospital}
    details = [one for one in report.access if one.who.namespace in homes]
    columns = sorted(accounts | {one.who.name for one in details})
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in details:
        found[one.store][one.who.name].append(one.verb)
    assets = {asset.urn: asset for asset in report.assets}
    own = {urn for urn in report.titles if urn in assets and assets[urn].hospital == hospital}
    rows = [
        Row(
            report.titles[urn],
            assets[urn].data_class if urn in assets else "",
            assets[urn].phi if urn in assets else "",
            tuple(tuple(found[urn][column]) for column in columns) if urn in found else ((),) * len(columns),
        )
        for urn in sorted(own | found.keys(), key=lambda urn: (report.titles[urn], urn))
    ]
    return Matrix(hospital, tuple(columns), tuple(rows), tuple(details))


def of_others(report: Report) -> list[Other]:
    """Return what principals that are no workload of a hospital can do, the stores of one right together."""
    homes = {pod.namespace for pod in report.network.pods if pod.hospital}
    by_store: dict[tuple[str, str], list[Access]] = defaultdict(list)
    for one in report.access:
        if one.who.namespace not in homes:
            by_store[one.who.title, one.store].append(one)
    groups: dict[tuple[str, tuple[str, ...]], list[Access]] = defaultdict(list)
    for (who, _), found in by_store.items():
        groups[who, tuple(sorted(one.verb for one in found))] += found
    return [
        Other(
            who,
            verbs,
            tuple(sorted({report.titles[one.store] for one in found})),
            _joined(one.through for one in found),
            _joined(one.when for one in found),
        )
        for (who, verbs), found in sorted(groups.items())
    ]


def in_cluster(abilities: Sequence[Ability]) -> list[Reach]:
    """Return what is allowed by the cluster's own rights, the abilities of one right together."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for one in abilities:
        limited = f" (only {', '.join(one.only)})" if one.only else ""
        groups[one.who.title, one.namespace, one.through].append(one.ability + limited)
    return [Reach(who, home, tuple(found), through) for (who, home, through), found in sorted(groups.items())]


def seen(report: Report) -> Mapping[str, list[str]]:
    """Return by store of PHI who can see what is in it."""
    phi = {line.urn for line in report.lines if line.phi == "PHI"}
    found: dict[str, set[str]] = defaultdict(set)
    for one in report.access:
        if one.store in phi and one.verb in SEEING:
            found[one.store].add(one.who.title)
    return {urn: sorted(found[urn]) for urn in sorted(phi)}


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({text for texts in lists for text in texts}))
