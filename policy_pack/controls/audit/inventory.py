"""Ownership tags, and the agreement and contacts of each hospital."""

from collections import Counter
from functools import partial

from policy_pack.controls.rules import ANY, context_check, join_check
from policy_pack.facts.structure import (
    hospital_of,
    hospital_of_namespace,
    hospitals,
    namespace_name,
    structural_classes,
    zone_of,
    zone_of_namespace,
)
from policy_pack.facts.zone_table import SHARED
from policy_pack.stack.checks import Findings, StackContext, expect, is_set, one_of, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, DATABASES, KEY, KEY_KEYS, NAMESPACE, ROLE
from policy_pack.stack.pods import pods
from policy_pack.stack.resource_types import resource_types
from policy_pack.stack.text import known_text

_DATA_STORES = (BUCKET, *DATABASES, "aws:msk/cluster:Cluster", "aws:efs/fileSystem:FileSystem", "aws:ebs/volume:Volume")
# Stores, keys and identities: whoever looks for what a hospital has looks for these.
_OWNED = (*_DATA_STORES, KEY, ROLE)
_LABELLED = tuple(f"k8s:{name}" for name in resource_types().kubernetes)


@context_check("INV-01", ANY)
def resources_have_ownership_tags(resource: Resource, context: StackContext) -> Findings:
    """Require the tags environment, owner and phi; on data stores also hospital and data class."""
    if not resource_types().takes_tags(resource):
        return
    tags, prefix = resource.at("tags"), context.settings.prefix
    for name in ("environment", "owner", *(("hospital", "data-class") if resource.kind in _DATA_STORES else ())):
        yield from expect(tags.key(f"{prefix}/{name}"), is_set, f"has no tag {name}")
    yield from expect(tags.key(f"{prefix}/phi"), one_of("true", "false"), "has no tag phi that is true or false")
    for name in ("hospital", "data-class"):
        yield from expect(tags.key(f"{prefix}/{name}"), lambda value: value != "", f"has an empty tag {name}")


@context_check("INV-01", NAMESPACE)
def namespaces_have_ownership_labels(namespace_object: Resource, context: StackContext) -> Findings:
    """Require the labels hospital, zone, owner and phi on namespaces."""
    labels, prefix = namespace_object.at("metadata.labels"), context.settings.prefix
    for name in ("hospital", "zone", "owner"):
        yield from expect(labels.key(f"{prefix}/{name}"), is_set, f"has no label {name}")
    yield from expect(labels.key(f"{prefix}/phi"), one_of("true", "false"), "has no label phi that is true or false")


@join_check("INV-01", ANY)
def tags_agree_with_the_structure(resource: Resource, context: StackContext) -> Findings:
    """Refuse tags of hospital, data class and phi that differ from what the program's structure shows."""
    if not resource_types().takes_tags(resource):
        return
    tags, prefix = resource.at("tags"), context.settings.prefix
    tag, classes = context.label(resource, "data-class"), structural_classes(resource, context)
    if tag and tag not in context.settings.data_classes:
        yield violation(
            f"has the data class {tag}, which is not known; describe it in data_classes of settings.yaml: "
            f"`{tag}: true` if it contains PHI, else `{tag}: false`",
            tags.key(f"{prefix}/data-class").path,
        )
    elif tag and classes and tag not in classes:
        shown = " and ".join(sorted(classes))
        yield violation(
            f"has the tag data-class {tag}, and by name or content it is {shown}", tags.key(f"{prefix}/data-class").path
        )
    if tag and context.label(resource, "phi") == "false" and context.settings.phi(tag):
        yield violation(f"has the tag phi false, and the data class {tag} contains PHI", tags.key(f"{prefix}/phi").path)
    yield from _hospital_agrees(resource, context)
    environment: str = context.graph.memo(f"environment of {prefix}", partial(_environment, prefix))
    yield from expect(
        tags.key(f"{prefix}/environment"),
        one_of(None, "", environment),
        f"has the tag environment of another stack, and the others of this one have {environment}",
    )


@join_check("INV-01", *_LABELLED)
def labels_agree_with_the_structure(resource: Resource, context: StackContext) -> Findings:
    """Refuse labels of hospital and zone that differ from the namespace, on objects and on their pods."""
    name = namespace_name(resource)
    zone = zone_of_namespace(name)
    if not zone:
        return
    structure = {"hospital": hospital_of_namespace(name), "zone": zone}
    holders = [resource.at("metadata.labels"), *(pod.labels for pod in pods(resource))]
    for labels in holders:
        for label, expected in structure.items():
            view = labels.key(f"{context.settings.prefix}/{label}")
            yield from expect(
                view, one_of(None, expected), f"has another {label} as label than its namespace {name}: {expected}"
            )


def _environment(prefix: str, graph: Graph) -> str:
    """Return the environment that most resources of a stack have as tag; roles of people are limited to it."""
    views = (one.at("tags").key(f"{prefix}/environment") for one in graph.of_package("aws"))
    return next((name for name, _ in Counter(filter(None, map(known_text, views))).most_common(1)), "")


def _hospital_agrees(resource: Resource, context: StackContext) -> Findings:
    tag, hospital = context.label(resource, "hospital"), hospital_of(resource, context)
    path = resource.at("tags").key(f"{context.settings.prefix}/hospital").path
    known = hospitals(context.graph)
    if not tag and hospital and resource.kind in _OWNED:
        yield violation(f"has no tag hospital, and it belongs to {hospital}", path)
    elif tag and hospital and tag != hospital:
        yield violation(f"has the tag hospital {tag}, and it belongs to {hospital}", path)
    elif tag and known and tag not in (SHARED, *known):
        names = ", ".join(sorted({SHARED, *known}))
        yield violation(f"has the tag hospital {tag}, which is none of this stack; use one of: {names}", path)


@join_check("INV-01", *(f"k8s:{name}" for name in sorted(resource_types().cluster_wide)))
def objects_of_the_cluster_have_their_hospital(resource: Resource, context: StackContext) -> Findings:
    """Require the label hospital of objects outside any namespace whose name is a hospital's: nothing else shows it."""
    named = _named_hospital(resource, context)
    if named and resource.kind != NAMESPACE:
        view = resource.at("metadata.labels").key(f"{context.settings.prefix}/hospital")
        yield from expect(view, one_of(named), f"has not the label hospital {named}, to which it belongs by its name")


@join_check("INV-01", *(f"vault:{name}" for name in sorted(resource_types().vault)))
def paths_of_vault_are_of_the_hospital(resource: Resource, context: StackContext) -> Findings:
    """Refuse a resource of Vault that is one hospital's by name, and another's by its path."""
    named = _named_hospital(resource, context)
    for field in ("path", "backend") if named else ():
        path = resource.at(field)
        first = path.text().strip("/").partition("/")[0]
        if first != named and first in hospitals(context.graph):
            yield violation(f"belongs to {named}, and its {field} to {first}", path.path)


@join_check("INV-01", "aws:kms/alias:Alias")
def aliases_lead_to_keys_of_the_hospital(alias: Resource, context: StackContext) -> Findings:
    """Refuse an alias of one hospital that leads to the key of another one."""
    named = _named_hospital(alias, context)
    key = context.graph.target(alias, "targetKeyId", (KEY,), KEY_KEYS) if named else None
    if key is not None and (owner := hospital_of(key, context)) not in ("", named):
        yield violation(f"belongs to {named}, and leads to the key {key.name} of {owner}", "targetKeyId")


def _named_hospital(resource: Resource, context: StackContext) -> str:
    return next((name for name in hospitals(context.graph) if resource.name.startswith(f"{name}-")), "")


_CONTACT = {
    "baa": "has no business associate agreement (annotation baa)",
    "security-contact": "has no security contact (annotation security-contact)",
    "notify": "has no endpoint for notices within 24 hours (annotation notify)",
}


@context_check("INV-02", NAMESPACE)
def hospitals_have_agreement_and_contact(namespace_object: Resource, context: StackContext) -> Findings:
    """Require an agreement and contacts on the namespace of each hospital's PHI zone."""
    if zone_of(namespace_object, context) == "phi":
        for name, message in _CONTACT.items():
            yield from expect(context.annotation(namespace_object, name), is_set, message)


@context_check("INV-01", NAMESPACE)
def contacts_are_those_of_the_entry(namespace_object: Resource, context: StackContext) -> Findings:
    """Require the agreement and the contacts of the hospital's own entry: a notice of a breach names its patients."""
    hospital = hospital_of_namespace(namespace_name(namespace_object))
    entry = context.addresses.entries.get(hospital) if context.addresses else None
    for name, expected in entry.contact.items() if entry else ():
        message = f"has another {name} than the entry of {hospital} (contact); take it from there"
        yield from expect(context.annotation(namespace_object, name), one_of(None, expected), message)
