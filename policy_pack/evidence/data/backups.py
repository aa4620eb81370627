"""What copies are kept of a store: plans that select it, versions, locks, and a second region."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy_pack.facts.iam.patterns import fits
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import (
    BUCKET,
    BUCKET_KEYS,
    BUCKET_LOCK,
    BUCKET_REPLICATION,
    BUCKET_VERSIONING,
    DATABASES,
)
from policy_pack.stack.text import word, words

_PLAN, _SELECTION = "aws:backup/plan:Plan", "aws:backup/selection:Selection"


class Backups:
    """The copies that a stack keeps."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._selections = sorted(graph.of(_SELECTION), key=lambda selection: selection.urn)

    def of(self, resource: Resource) -> list[str]:
        """Return the copies of a resource, in words."""
        found = [f"plan {self._plan(selection)}" for selection in self._selections if _selects(selection, resource)]
        if resource.kind == BUCKET:
            found += self._bucket(resource)
        if resource.kind in DATABASES and isinstance(days := resource.at("backupRetentionPeriod").raw, int) and days:
            found.append(f"any moment of the last {days} days")
        return list(dict.fromkeys(found))

    def _bucket(self, bucket: Resource) -> Iterator[str]:
        for versioning in self._graph.pointing(bucket, BUCKET_VERSIONING, "bucket", BUCKET_KEYS):
            if word(versioning.at("versioningConfiguration.status")) == "Enabled":
                yield "versions"
        for lock in self._graph.pointing(bucket, BUCKET_LOCK, "bucket", BUCKET_KEYS):
            rule = lock.at("rule.defaultRetention")
            days, years = rule.at("days").raw, rule.at("years").raw
            length = f"{days} days" if days else f"{years} years"
            yield f"locked for {length} ({word(rule.at('mode')).lower()})"
        for replication in self._graph.pointing(bucket, BUCKET_REPLICATION, "bucket", BUCKET_KEYS):
            for rule in replication.at("rules").items():
                if word(rule.at("status")) == "Enabled":
                    yield f"copy in {word(rule.at('destination.bucket')).rpartition(':')[2] or 'another bucket'}"

    def _plan(self, selection: Resource) -> str:
        plan = self._graph.target(selection, "planId", (_PLAN,), ("id", "arn"))
        return plan.name if plan else selection.name


def _selects(selection: Resource, resource: Resource) -> bool:
    arn = word(resource.at("arn"))
    if any(fits(pattern, arn) for pattern in words(selection.at("resources")) if arn):
        return True
    if resource.urn in selection.depends.get("resources", ()):
        return True
    given = resource.at("tags").raw
    tags: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    return any(
        word(test.at("type")) in ("", "STRINGEQUALS")
        and word(test.at("key")) in tags
        and tags[word(test.at("key"))] == test.at("value").raw
        for test in selection.at("selectionTags").items()
    )
