"""The access matrix as tables: what each workload of a hospital can do with which store, and what others can do."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from policy_pack.evidence.report import Report
from policy_pack.facts.access import Access
from policy_pack.facts.rbac.permissions import ClusterPermission

# The verbs that disclose the contents of a store.
DISCLOSING = ("read", "decrypt", "select", "connect", "export", "restore", "generate credentials")


@dataclass(frozen=True)
class StoreRow:
    """A store, and the verbs of each principal in the columns."""

    store: str
    data_class: str
    phi: str
    cells: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Matrix:
    """The stores that a hospital's workloads can access, and the hospital's own stores that none of them can."""

    hospital: str
    columns: tuple[str, ...]
    rows: tuple[StoreRow, ...]
    details: tuple[Access, ...]


@dataclass(frozen=True)
class OtherAccess:
    """Access to stores of a principal that is not a hospital's workload."""

    principal: str
    verbs: tuple[str, ...]
    stores: tuple[str, ...]
    through: tuple[str, ...]
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class ClusterAccess:
    """Permissions of a principal in a namespace of the cluster."""

    principal: str
    namespace: str
    permissions: tuple[str, ...]
    through: tuple[str, ...]


def hospital_matrix(report: Report, hospital: str) -> Matrix:
    """Return the access matrix of a hospital."""
    accounts = {pods.label for pods in report.network.pods if pods.hospital == hospital}
    namespaces = {pods.namespace for pods in report.network.pods if pods.hospital == hospital}
    details = [one for one in report.access if one.principal.namespace in namespaces]
    columns = sorted(accounts | {one.principal.name for one in details})
    verbs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in details:
        verbs[one.store][one.principal.name].append(one.verb)
    assets = {asset.urn: asset for asset in report.assets}
    own = {urn for urn in report.labels if urn in assets and assets[urn].hospital == hospital}
    rows = [
        StoreRow(
            report.labels[urn],
            assets[urn].data_class if urn in assets else "",
            assets[urn].phi if urn in assets else "",
            tuple(tuple(verbs[urn][column]) for column in columns) if urn in verbs else ((),) * len(columns),
        )
        for urn in sorted(own | verbs.keys(), key=lambda urn: (report.labels[urn], urn))
    ]
    return Matrix(hospital, tuple(columns), tuple(rows), tuple(details))


def other_access(report: Report) -> list[OtherAccess]:
    """Return the access of principals that are not a hospital's workload, stores with the same verbs together."""
    namespaces = {pods.namespace for pods in report.network.pods if pods.hospital}
    by_store: dict[tuple[str, str], list[Access]] = defaultdict(list)
    for one in report.access:
        if one.principal.namespace not in namespaces:
            by_store[one.principal.label, one.store].append(one)
    groups: dict[tuple[str, tuple[str, ...]], list[Access]] = defaultdict(list)
    for (principal, _), access in by_store.items():
        groups[principal, tuple(sorted(one.verb for one in access))] += access
    return [
        OtherAccess(
            principal,
            verbs,
            tuple(sorted({report.labels[one.store] for one in access})),
            _union(one.through for one in access),
            _union(one.conditions for one in access),
        )
        for (principal, verbs), access in sorted(groups.items())
    ]


def cluster_access(permissions: Sequence[ClusterPermission]) -> list[ClusterAccess]:
    """Return what Kubernetes RBAC permits, the permissions of one binding together."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for one in permissions:
        limited = f" (only {', '.join(one.resource_names)})" if one.resource_names else ""
        groups[one.principal.label, one.namespace, one.through].append(one.permission + limited)
    return [
        ClusterAccess(principal, namespace, tuple(group), through)
        for (principal, namespace, through), group in sorted(groups.items())
    ]


def phi_readers(report: Report) -> Mapping[str, list[str]]:
    """Return by URN of each PHI store the principals that can read its contents."""
    phi = {row.urn for row in report.encryption if row.phi == "PHI"}
    readers: dict[str, set[str]] = defaultdict(set)
    for one in report.access:
        if one.store in phi and one.verb in DISCLOSING:
            readers[one.store].add(one.principal.label)
    return {urn: sorted(readers[urn]) for urn in sorted(phi)}


def _union(texts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({text for group in texts for text in group}))
