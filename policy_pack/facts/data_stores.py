"""Data stores and the KMS keys that encrypt them: a table of kinds, and the stores of a stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Formatter

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_SSE, KEY, KEY_KEYS, REPLICA_KEY
from policy_pack.stack.text import known_text, known_true
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("data_stores.yaml")
_STRICT = ConfigDict(extra="forbid")
_ALIAS = "aws:kms/alias:Alias"
_SSE = "applyServerSideEncryptionByDefault"


@validated(frozen=True, config=_STRICT)
class Verb:
    """The IAM action of a verb; ``key`` is the action that must also be allowed on the store's key."""

    action: str
    of: str = "contents"
    key: str = ""


@validated(frozen=True, config=_STRICT)
class PolicyResource:
    """The kind of resource that is a store's resource policy, and its property that names the store."""

    kind: str
    by: str


@validated(frozen=True, config=_STRICT)
class Kind:
    """A kind of store, as a row of the table."""

    title: str
    arn: str = "{arn}"
    contents: str = ""
    key: str = ""
    enabled_by: str = ""
    transport: str = ""
    policy: PolicyResource | None = None
    verbs: Mapping[str, Verb] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """A store of the stack: its kind, its ARN, and the ARN pattern of its contents."""

    resource: Resource
    kind: Kind
    arn: str
    contents: str


@cache
def kinds() -> dict[str, Kind]:
    """Return the table of kinds."""
    return TypeAdapter(dict[str, Kind]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def stores(graph: Graph) -> list[Store]:
    """Return every store with IAM actions whose ARN is known."""
    with_arn = []
    for kind, row in kinds().items():
        for resource in graph.of(kind) if row.verbs else ():
            arn = _filled_in(row.arn, resource)
            if arn:
                with_arn.append(Store(resource, row, arn, _filled_in(row.contents, resource)))
    return sorted(with_arn, key=lambda store: store.resource.urn)


def arn_of(resource: Resource) -> str:
    """Return the ARN of a resource; for a bucket whose ARN is not known, from its name."""
    arn = resource.at("arn").raw
    return arn if isinstance(arn, str) else f"arn:aws:s3:::{resource.at('bucket').text()}"


def _filled_in(pattern: str, resource: Resource) -> str:
    """Return a pattern with the properties that it names; empty where one is not known."""
    values = {name: known_text(resource.at(name)) for _, name, _, _ in Formatter().parse(pattern) if name}
    return pattern.format(**values) if all(values.values()) else ""


class EncryptionKeys:
    """The KMS keys of a stack, and the resources that each encrypts."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._by_name = {
            name: key for key in graph.of(KEY, REPLICA_KEY) for path in KEY_KEYS if (name := known_text(key.at(path)))
        }
        for alias in graph.of(_ALIAS):
            key = graph.target(alias, "targetKeyId", (KEY,), KEY_KEYS)
            names = (known_text(alias.at(path)) for path in ("name", "arn"))
            if key:
                self._by_name |= {name: key for name in names if name}

    def references(self, resource: Resource) -> list[tuple[View, Resource]]:
        """Return the values by which a resource names its key, each with the resource that has the value."""
        if resource.kind == BUCKET:
            return [
                (rule.at(f"{_SSE}.kmsMasterKeyId"), sse)
                for sse in self._graph.referrers(resource, BUCKET_SSE, "bucket", BUCKET_KEYS)
                for rule in sse.at("rules").items()
            ]
        row = kinds().get(resource.kind)
        return [(view, resource) for view in values_at(resource, row.key)] if row and row.key else []

    def of(self, resource: Resource) -> Resource | None:
        """Return the stack's key that encrypts a resource."""
        for view, holder in self.references(resource):
            key = self._by_name.get(known_text(view))
            if key is None and known_text(view):
                continue
            key = key or self._graph.target(holder, view.path.partition(".")[0].partition("[")[0], (KEY,), KEY_KEYS)
            if key:
                return key
        return None

    def key_name(self, resource: Resource) -> str:
        """Return the name of the key that encrypts a resource; for a key of another stack, its id."""
        key = self.of(resource)
        if key:
            return key.name
        return next((known_text(view) for view, _ in self.references(resource) if known_text(view)), "")


def is_encrypted(resource: Resource, keys: EncryptionKeys) -> bool:
    """Return whether a store is encrypted: by the flag of its kind, or where there is none, by naming a key."""
    row = kinds()[resource.kind]
    if row.enabled_by:
        flags = values_at(resource, row.enabled_by)
        return bool(flags) and all(known_true(flag) for flag in flags)
    if resource.kind == BUCKET:
        return bool(keys.references(resource))
    return bool(keys.key_name(resource))


def values_at(resource: Resource, path: str) -> list[View]:
    """Return the values at a path, in which ``name[]`` is each item of a list."""
    views = [View(resource.props)]
    for step in path.split("."):
        views = [view.key(step.removesuffix("[]")) for view in views]
        if step.endswith("[]"):
            views = [item for view in views for item in view.items()]
    return views
