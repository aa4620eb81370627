"""How a reader calls stores and kinds: short names in place of URNs and types."""

import re

from policy_pack.facts.data_stores import kinds
from policy_pack.facts.database_access import CONNECTION
from policy_pack.facts.vault_access import table
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import called, word


def store(resource: Resource) -> str:
    """Return what a store is, and its name."""
    row = kinds().get(resource.kind)
    if row:
        return f"{row.title} {called(resource)}"
    thing = table().things.get(resource.kind)
    if thing:
        mount = word(resource.at(thing.mount))
        return f"{thing.title} {mount}/{word(resource.at(thing.name)) or resource.name}"
    if resource.kind == "vault:index/mount:Mount":
        return f"Vault secrets {word(resource.at('path'))}"
    if resource.kind == CONNECTION:
        return f"PostgreSQL {resource.name}"
    return "Vault itself" if resource.type == "pulumi:pulumi:Stack" else called(resource)


def stores(graph: Graph, urns: set[str]) -> dict[str, str]:
    """Return by URN how stores are called."""
    return {urn: store(found) if (found := graph.get(urn)) else "Vault itself" for urn in sorted(urns)}


def kind(type_: str) -> str:
    """Return a type in words: ``aws:s3/bucketPolicy:BucketPolicy`` is ``AWS s3 bucket policy``."""
    package, _, rest = type_.partition(":")
    module, name = rest.partition("/")[0].partition(":")[0], type_.rpartition(":")[2].rpartition("/")[2]
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    if package == "k8s":
        return f"Kubernetes {name}"
    if package == "aws":
        return f"AWS {module} {spaced.lower()}"
    if package == "vault":
        return f"Vault {spaced.lower()}"
    return f"program {spaced}" if package not in ("pulumi",) else f"engine {spaced.lower()}"
