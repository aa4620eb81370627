"""Data stores and the KMS keys that encrypt them, by a table of kinds."""

from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_SSE, KEY, KEY_KEYS, REPLICA_KEY
from policy_pack.stack.text import known_text, known_true
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("data_stores.yaml")
_STRICT = ConfigDict(extra="forbid")
_ALIAS = "aws:kms/alias:Alias"
_SSE = "applyServerSideEncryptionByDefault"


@validated(frozen=True, config=_STRICT)
class Kind:
    """A kind of store, as a row of the table."""

    title: str
    key: str = ""
    enabled_by: str = ""
    transport: str = ""


@cache
def kinds() -> dict[str, Kind]:
    """Return the table of kinds."""
    return tables.read(TypeAdapter(dict[str, Kind]).validate_python, TABLE)


def arn_of(resource: Resource) -> str:
    """Return the ARN of a resource; for a bucket whose ARN is not known, from its name."""
    arn = resource.at("arn").raw
    return arn if isinstance(arn, str) else f"arn:aws:s3:::{resource.at('bucket').text()}"


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
        return [(view, resource) for view in View(resource.props).each(row.key)] if row and row.key else []

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
        flags = View(resource.props).each(row.enabled_by)
        return bool(flags) and all(known_true(flag) for flag in flags)
    if resource.kind == BUCKET:
        return bool(keys.references(resource))
    return bool(keys.key_name(resource))
