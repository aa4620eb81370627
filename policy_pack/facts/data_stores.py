"""What keeps data, and what encrypts it: one table of kinds, and what the stack says of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Formatter

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_SSE, KEY, KEY_KEYS, REPLICA_KEY
from policy_pack.stack.text import flag, word
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("data_stores.yaml")
_STRICT = ConfigDict(extra="forbid")
_ALIAS = "aws:kms/alias:Alias"
_SSE = "applyServerSideEncryptionByDefault"


@checked(frozen=True, config=_STRICT)
class Verb:
    """What a reader calls an IAM action; ``key`` is what the store's key must allow besides."""

    action: str
    of: str = "contents"
    key: str = ""


@checked(frozen=True, config=_STRICT)
class Attached:
    """The kind of the policy that a store has as a resource of its own, and the property that names the store."""

    kind: str
    by: str


@checked(frozen=True, config=_STRICT)
class Kind:
    """One kind of store, as the table has it."""

    title: str
    arn: str = "{arn}"
    contents: str = ""
    key: str = ""
    switch: str = ""
    way: str = ""
    policy: Attached | None = None
    verbs: Mapping[str, Verb] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """A store of the stack: its kind, its ARN, and the pattern of what is in it."""

    resource: Resource
    kind: Kind
    arn: str
    contents: str


@cache
def kinds() -> dict[str, Kind]:
    """Return the table."""
    return TypeAdapter(dict[str, Kind]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def stores(graph: Graph) -> list[Store]:
    """Return every store that IAM can give access to and whose ARN is known."""
    found = []
    for kind, row in kinds().items():
        for resource in graph.of(kind) if row.verbs else ():
            arn = _filled(row.arn, resource)
            if arn:
                found.append(Store(resource, row, arn, _filled(row.contents, resource)))
    return sorted(found, key=lambda store: store.resource.urn)


def _filled(pattern: str, resource: Resource) -> str:
    """Return a pattern with properties in place of names; nothing where one is not known."""
    values = {name: word(resource.at(name)) for _, name, _, _ in Formatter().parse(pattern) if name}
    return pattern.format(**values) if all(values.values()) else ""


class Keys:
    """Which key encrypts what."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._by_name = {
            name: key for key in graph.of(KEY, REPLICA_KEY) for path in KEY_KEYS if (name := word(key.at(path)))
        }
        for alias in graph.of(_ALIAS):
            key = graph.target(alias, "targetKeyId", (KEY,), KEY_KEYS)
            if key:
                self._by_name |= {word(alias.at(path)): key for path in ("name", "arn") if word(alias.at(path))}

    def says(self, resource: Resource) -> list[tuple[View, Resource]]:
        """Return where a resource says by which key it is encrypted, and the resource that says it."""
        if resource.kind == BUCKET:
            return [
                (rule.at(f"{_SSE}.kmsMasterKeyId"), sse)
                for sse in self._graph.pointing(resource, BUCKET_SSE, "bucket", BUCKET_KEYS)
                for rule in sse.at("rules").items()
            ]
        row = kinds().get(resource.kind)
        return [(view, resource) for view in spread(resource, row.key)] if row and row.key else []

    def of(self, resource: Resource) -> Resource | None:
        """Return the stack's key that encrypts a resource."""
        for view, said in self.says(resource):
            key = self._by_name.get(word(view))
            if key is None and word(view):
                continue
            key = key or self._graph.target(said, view.path.partition(".")[0].partition("[")[0], (KEY,), KEY_KEYS)
            if key:
                return key
        return None

    def told(self, resource: Resource) -> str:
        """Return the key by name, else as the resource says it."""
        key = self.of(resource)
        if key:
            return key.name
        return next((word(view) for view, _ in self.says(resource) if word(view)), "")


def encrypted(resource: Resource, keys: Keys) -> bool:
    """Return whether a store says that it is encrypted: by its flag where its kind has one, else by naming a key."""
    row = kinds()[resource.kind]
    if row.switch:
        switches = spread(resource, row.switch)
        return bool(switches) and all(flag(view) for view in switches)
    if resource.kind == BUCKET:
        return bool(keys.says(resource))
    return bool(keys.told(resource))


def spread(resource: Resource, path: str) -> list[View]:
    """Return the values at a path, in which ``name[]`` means each item of a list."""
    views = [View(resource.props)]
    for step in path.split("."):
        views = [view.key(step.removesuffix("[]")) for view in views]
        if step.endswith("[]"):
            views = [item for view in views for item in view.items()]
    return views
