"""Backups and copies of stores: backup plans, versioning, object lock and replication."""

from collections.abc import Iterator

from policy_pack.facts.backups import PLAN, SELECTION, selects
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import (
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LOCK,
    BUCKET_REPLICATION,
    BUCKET_VERSIONING,
    DATABASES,
)
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError


class Backups:
    """The backups and copies of the stores of a stack."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._selections = sorted(graph.of(SELECTION), key=lambda selection: selection.urn)

    def of(self, resource: Resource) -> list[str]:
        """Return the backups and copies of a store, as text."""
        copies = [f"plan {self._plan(selection)}" for selection in self._selections if _selects(selection, resource)]
        if resource.kind == BUCKET:
            copies += self._bucket(resource)
        if resource.kind in DATABASES and isinstance(days := resource.at("backupRetentionPeriod").raw, int) and days:
            copies.append(f"point-in-time recovery for {days} days")
        return list(dict.fromkeys(copies))

    def _bucket(self, bucket: Resource) -> Iterator[str]:
        for versioning in self._graph.referrers(bucket, BUCKET_VERSIONING, "bucket", BUCKET_KEYS):
            if known_text(versioning.at("versioningConfiguration.status")) == "Enabled":
                yield "versions"
        for lock in self._graph.referrers(bucket, BUCKET_LOCK, "bucket", BUCKET_KEYS):
            rule = lock.at("rule.defaultRetention")
            days, years = rule.at("days").raw, rule.at("years").raw
            length = f"{days} days" if days else f"{years} years"
            yield f"object lock {known_text(rule.at('mode')).lower()} for {length}"
        for replication in self._graph.referrers(bucket, BUCKET_REPLICATION, "bucket", BUCKET_KEYS):
            for rule in replication.at("rules").items():
                destination = known_text(rule.at("destination.bucket")).rpartition(":")[2]
                if known_text(rule.at("status")) == "Enabled":
                    yield f"replica in {destination or 'another bucket'}"

    def _plan(self, selection: Resource) -> str:
        plan = self._graph.target(selection, "planId", (PLAN,), ("id", "arn"))
        return plan.name if plan else selection.name


def _selects(selection: Resource, resource: Resource) -> bool:
    try:
        return selects(selection, resource)
    except NotKnownError:
        return False
