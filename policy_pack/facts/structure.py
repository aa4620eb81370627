"""Hospital, zone and data class of resources by the program's structure; tags and labels can only add to it.

The structure is what a resource is part of: its components, its namespace, and what delivers to it or copies to it.
Names count as far as they are the program's own (``<hospital>-<data class>``, ``<hospital>-<zone>``).
"""

from collections.abc import Iterator
from functools import cache

from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET, BUCKET_KEYS, BUCKET_LOGGING, BUCKET_REPLICATION, NAMESPACE
from policy_pack.stack.values import NotKnownError

AUDIT, ACCESS_LOGS, CONFIGURATION = "audit", "access-logs", "configuration"
_MOST_SENSITIVE_ZONE = "phi"
_HOSPITAL_COMPONENTS = ("workloads:Hospital", "infra:HospitalStorage")
_COPIES = ("-replica", "-second")
# Resources that deliver to a bucket: kind, property with the bucket's name or ARN, and the class of what they deliver.
_DELIVERIES = (
    (BUCKET_LOGGING, "targetBucket", ACCESS_LOGS),
    ("aws:lb/loadBalancer:LoadBalancer", "accessLogs.bucket", ACCESS_LOGS),
    ("aws:cloudtrail/trail:Trail", "s3BucketName", AUDIT),
    ("aws:ec2/flowLog:FlowLog", "logDestination", AUDIT),
    ("aws:cfg/deliveryChannel:DeliveryChannel", "s3BucketName", CONFIGURATION),
)


# --- data classes ----------------------------------------------------------------------------------
def data_classes(resource: Resource, context: StackContext) -> set[str]:
    """Return the data classes of a resource, by its structure and by its tag."""
    tag = context.label(resource, "data-class")
    return structural_classes(resource, context) | ({tag} if tag else set())


def structural_classes(resource: Resource, context: StackContext) -> set[str]:
    """Return the data classes that the structure shows: by name, and for a bucket by what delivers to it."""
    graph = context.graph
    classes = set(_named_classes(resource, tuple(sorted(context.settings.data_classes))))
    if resource.kind == BUCKET:
        deliveries: dict[str, set[str]] = graph.memo("deliveries", _deliveries)
        classes |= deliveries.get(resource.urn, set())
        sources: dict[str, list[Resource]] = graph.memo("replicated from", _replicated_from)
        for source in sources.get(resource.urn, ()):
            classes |= set(_named_classes(source, tuple(sorted(context.settings.data_classes))))
    return classes


def holds_phi(resource: Resource, context: StackContext) -> bool:
    """Return whether a store holds PHI: unless its tag and its structure both show a class that does not."""
    tag, structural = context.label(resource, "data-class"), structural_classes(resource, context)
    if not tag or not structural:
        return True
    return any(context.settings.phi(name) for name in (tag, *structural))


def may_hold(resource: Resource, data_class: str, context: StackContext) -> bool:
    """Return whether a store holds a data class, or has neither tag nor structure that shows another one."""
    if data_class in data_classes(resource, context):
        return True
    return not context.label(resource, "data-class") or not structural_classes(resource, context)


def _named_classes(resource: Resource, names: tuple[str, ...]) -> Iterator[str]:
    name = resource.name
    for ending in _COPIES:
        name = name.removesuffix(ending)
    return (data_class for data_class in names if name == data_class or name.endswith(f"-{data_class}"))


def _deliveries(graph: Graph) -> dict[str, set[str]]:
    """Return the classes of what is delivered to each bucket."""
    delivered: dict[str, set[str]] = {}
    for kind, path, data_class in _DELIVERIES:
        for source in graph.of(kind):
            bucket = graph.target(source, path, (BUCKET,), (*BUCKET_KEYS, "arn"))
            if bucket:
                delivered.setdefault(bucket.urn, set()).add(data_class)
    return delivered


def _replicated_from(graph: Graph) -> dict[str, list[Resource]]:
    """Return the buckets of which each bucket has a copy."""
    buckets = {name: bucket for bucket in graph.of(BUCKET) if isinstance(name := bucket.at("arn").raw, str)}
    sources: dict[str, list[Resource]] = {}
    for replication in graph.of(BUCKET_REPLICATION):
        source = graph.target(replication, "bucket", (BUCKET,), BUCKET_KEYS)
        for rule in replication.at("rules").items():
            arn = rule.at("destination.bucket").raw
            replica = buckets.get(arn) if isinstance(arn, str) else None
            if source and replica:
                sources.setdefault(replica.urn, []).append(source)
    return sources


# --- hospitals -------------------------------------------------------------------------------------
def hospital_of(resource: Resource, context: StackContext) -> str:
    """Return the hospital of a resource: of its components, of its namespace, of its name; or by its tag."""
    graph = context.graph
    for ancestor in _ancestors(resource, graph):
        if ancestor.type.endswith(_HOSPITAL_COMPONENTS):
            return ancestor.name
    if resource.package == "kubernetes":
        name = namespace_name(resource)
        hospital = hospital_of_namespace(name)
        return hospital or context.label(resource, "hospital")
    named = next((name for name in hospitals(graph) if resource.name.startswith(f"{name}-")), "")
    return named or context.label(resource, "hospital")


def _ancestors(resource: Resource, graph: Graph) -> Iterator[Resource]:
    """Return the components around a resource, from inside out; each once, also where a state's parents are a cycle."""
    parent, visited = graph.get(resource.parent), {resource.urn}
    while parent is not None and parent.urn not in visited:
        yield parent
        visited.add(parent.urn)
        parent = graph.get(parent.parent)


def hospitals(graph: Graph) -> list[str]:
    """Return the hospitals of a stack, longest names first."""
    names: list[str] = graph.memo("hospitals by structure", _hospitals)
    return names


def _hospitals(graph: Graph) -> list[str]:
    """Return the hospitals of a stack, longest names first: the name of one may begin with another."""
    components = {one.name for one in graph if one.type.endswith(_HOSPITAL_COMPONENTS)}
    namespaces = {hospital_of_namespace(namespace_name(one)) for one in graph.of(NAMESPACE)}
    return sorted((components | namespaces) - {""}, key=lambda name: (-len(name), name))


# --- zones -----------------------------------------------------------------------------------------
def namespace_name(resource: Resource) -> str:
    """Return the name of the namespace of an object, or of a Namespace itself; empty where it is not known."""
    path = "metadata.name" if resource.kind == NAMESPACE else "metadata.namespace"
    raw = resource.at(path).raw
    return raw if isinstance(raw, str) else ""


@cache
def hospital_of_namespace(name: str) -> str:
    """Return the hospital of a namespace with the name of a zone; empty for other namespaces."""
    zone = zone_of_namespace(name)
    return name.removesuffix(f"-{zone}") if zone else ""


@cache
def zone_of_namespace(name: str) -> str:
    """Return the zone of a namespace by its name, ``<hospital>-<zone>``; empty for other namespaces."""
    return next((zone for zone in zones().zones if name.endswith(f"-{zone}") and name != f"-{zone}"), "")


def zone_of(resource: Resource, context: StackContext) -> str:
    """Return the zone of an object: of its namespace; or by its label, and without one the most sensitive zone."""
    named = zone_of_namespace(namespace_name(resource))
    if named:
        return named
    try:
        return context.label(resource, "zone") or _MOST_SENSITIVE_ZONE
    except NotKnownError:
        return _MOST_SENSITIVE_ZONE
