"""Ways in from outside, opened: gateways, routes, their policies, services, load balancers, networks, public flags."""

from collections.abc import Iterator
from typing import Any

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import GONE, Family, Mutation, Step, Target, get, places, written
from tests.policy.attacks.properties import of_kinds
from tests.policy.attacks.stacks import FIRST, SECOND, crossed
from tests.policy.attacks.tables import added, edits, values

FAMILY = "exposure"
_GATEWAY, _ENVOY = "gateway.networking.k8s.io", "gateway.envoyproxy.io"
_EDGE = (_GATEWAY, _ENVOY, "cert-manager.io")
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_CLOUD = (
    *("aws:ec2/", "aws:eks/cluster", "aws:eks/nodeGroup", "aws:eks/addon", "aws:vpc/", "aws:rds/clusterInstance"),
    *("aws:rds/subnetGroup", "aws:s3/accountPublicAccessBlock", "aws:s3/bucketPublicAccessBlock"),
    "aws:s3/bucketOwnershipControls",
)


def mutations(target: Target) -> Iterator[Mutation]:
    """Return the mutations of the family."""
    family = Family(FAMILY, target)
    for resource in target.resources:
        if any(f":{group}/" in resource.kind for group in _EDGE) and not resource.name.startswith(SECOND):
            yield from _every_field(family, resource)
            yield family.drop(resource)
    yield from edits(family)
    yield from _policies(family)
    yield from _gateways(family)
    yield from _services(family)
    yield from _groups(family)
    yield from added(family)
    yield from of_kinds(FAMILY, target, lambda kind: kind.startswith(_CLOUD), most=1)


def _every_field(family: Family, resource: Resource) -> Iterator[Mutation]:
    """Return a custom resource, whose type no SDK has, without each of its fields, and with another value in each."""
    for steps, value in places(resource.props):
        if steps[0] in ("apiVersion", "kind", "metadata"):
            continue
        named = written(steps)
        yield from family.put(resource, f"remove {named}", (steps, GONE))
        for told, other in _others(value):
            yield from family.put(resource, f"set {named} to {told}", (steps, other))


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield str(not value).lower(), not value
    elif isinstance(value, int):
        yield from ((str(other), other) for other in (1, 22, 80))
        yield "more", value * 100000
    elif isinstance(value, str):
        yield "another value", f"{value}-other"
        yield "*", "*"
        yield "nothing", ""
        if crossed(value) != value:
            yield "the other hospital's", crossed(value)
    elif isinstance(value, list):
        yield "an empty list", []


def _first(target: Target, kind: str) -> list[Resource]:
    return [one for one in target.of(kind) if one.name.startswith(FIRST)][:1]


def _policies(family: Family) -> Iterator[Mutation]:
    """Return policies of a route, which replace those of its gateway."""
    gateway: dict[str, Any] = {"group": _GATEWAY, "kind": "Gateway", "name": "gateway", "sectionName": "https"}
    for route in _first(family.target, f"k8s:{_GATEWAY}/HTTPRoute"):
        metadata = {**route.props["metadata"], "name": "more"}
        ref = {"group": _GATEWAY, "kind": "HTTPRoute", "name": get(route.props, ("metadata", "name"))}
        labels = {"group": _GATEWAY, "kind": "HTTPRoute", "matchLabels": metadata.get("labels", {})}
        for told, row in values("route_policies").items():
            for where, refs in (
                ("", {"targetRefs": [ref]}),
                (" by selector", {"targetSelectors": [labels]}),
                (" of the section", {"targetRefs": [gateway]}),
            ):
                spec = {**refs, **row["spec"]}
                version = f"{_ENVOY}/v1alpha1"
                props = {"apiVersion": version, "kind": row["kind"], "metadata": metadata, "spec": spec}
                yield family.add(
                    f"{told}{where}", family.build(f"kubernetes:{version}:{row['kind']}", "more", props, route)
                )


def _gateways(family: Family) -> Iterator[Mutation]:
    """Return second gateways and routes."""
    name: tuple[Step, ...] = ("metadata", "name")
    for route in _first(family.target, f"k8s:{_GATEWAY}/HTTPRoute"):
        backend = {"name": "kubernetes", "namespace": "default", "port": 443}
        rules = (("spec", "rules"), [{"backendRefs": [backend]}])
        yield family.add("a second route", family.copy(route, "more", (name, "more"), rules))
    for gateway in _first(family.target, f"k8s:{_GATEWAY}/Gateway"):
        for class_ in ("hospitals", "public"):
            more = family.copy(gateway, "more", (name, "more"), (("spec", "gatewayClassName"), class_))
            yield family.add(f"a second gateway of class {class_}", more)


def _services(family: Family) -> Iterator[Mutation]:
    """Return services and ingresses of every type, in zones and beside them."""
    [like] = _first(family.target, "k8s:core/ServiceAccount")
    for namespace in (f"{FIRST}-phi", f"{FIRST}-serving", f"{FIRST}-platform", "default", "kube-system", "other"):
        metadata = {"name": "more", "namespace": namespace, "labels": like.props["metadata"]["labels"]}
        where = namespace.removeprefix(f"{FIRST}-")
        for told, row in values("service_specs").items():
            spec = {"ports": [{"port": 443}], "selector": {"app.kubernetes.io/name": "ingestor"}, **row["spec"]}
            meta = {**metadata, "annotations": row["annotations"]}
            props = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
            yield family.add(
                f"a service: {told} in {where}", family.build("kubernetes:core/v1:Service", "more", props, like)
            )
        for told, spec in values("ingress_specs").items():
            version = "networking.k8s.io/v1"
            props = {"apiVersion": version, "kind": "Ingress", "metadata": metadata, "spec": spec}
            yield family.add(f"{told} in {where}", family.build(f"kubernetes:{version}:Ingress", "more", props, like))


def _groups(family: Family) -> Iterator[Mutation]:
    """Return open rules of each security group, by each kind of resource that declares one."""
    for group in family.target.of(_GROUP):
        id_ = group.props.get("id", f"{group.name}-id")
        for told, rule in values("group_rules").items():
            for way in ("Ingress", "Egress"):
                kind = f"SecurityGroup{way}Rule"
                new = family.build(
                    f"aws:vpc/securityGroup{way}Rule:{kind}", "more", {"securityGroupId": id_, **rule}, group
                )
                yield family.add(f"{way}: {told}", new)
        inline = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
        older = {"securityGroupId": id_, "type": "ingress", **inline}
        yield family.add(
            "everything, by the older kind", family.build("aws:ec2/securityGroupRule:SecurityGroupRule", "more", older)
        )
        yield from family.put(group, "everything, inline", (("ingress",), [inline]))
