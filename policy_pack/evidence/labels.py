"""Labels of stores and resource kinds: short texts in place of URNs and type tokens."""

import re

from policy_pack.facts.data_stores import kinds
from policy_pack.facts.postgres.logins import CONNECTION
from policy_pack.facts.vault.requests import MOUNT
from policy_pack.facts.vault.table import table
from policy_pack.stack.graph import STACK, Graph, Resource
from policy_pack.stack.text import display_name, known_text


def store_label(resource: Resource) -> str:
    """Return the kind and the name of a store."""
    row = kinds().get(resource.kind)
    if row:
        return f"{row.title} {display_name(resource)}"
    vault_row = table().resources.get(resource.kind)
    if vault_row:
        mount = known_text(resource.at(vault_row.mount))
        return f"{vault_row.title} {mount}/{known_text(resource.at(vault_row.name)) or resource.name}"
    if resource.kind == MOUNT:
        return f"Vault secrets {known_text(resource.at('path'))}"
    if resource.kind == CONNECTION:
        return f"PostgreSQL {resource.name}"
    return "Vault system" if resource.type == STACK else display_name(resource)


def store_labels(graph: Graph, urns: set[str]) -> dict[str, str]:
    """Return the labels of stores by URN."""
    return {urn: store_label(store) if (store := graph.get(urn)) else "Vault system" for urn in sorted(urns)}


def kind_label(type_: str) -> str:
    """Return the label of a type: ``aws:s3/bucketPolicy:BucketPolicy`` is ``AWS s3 bucket policy``."""
    package, _, rest = type_.partition(":")
    module, name = rest.partition("/")[0].partition(":")[0], type_.rpartition(":")[2].rpartition("/")[2]
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    if package == "k8s":
        return f"Kubernetes {name}"
    if package == "aws":
        return f"AWS {module} {spaced.lower()}"
    if package == "vault":
        return f"Vault {spaced.lower()}"
    return f"Pulumi {spaced.lower()}" if package == "pulumi" else f"component {spaced}"
