"""Segmentation of the cluster: zone namespaces, what policies may say, and Services."""

from ipaddress import ip_network

from policy_pack.controls.rules import on, on_join, on_set
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import About, Findings, empty, expect, fault, given, guarded, later, one_of
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ACCOUNT, CONFIG_MAP, INGRESS, NAMESPACE, NETWORK_POLICY, SERVICE
from policy_pack.stack.pods import WHOLE, namespace
from policy_pack.stack.values import View

_POD_SECURITY = "pod-security.kubernetes.io"
_DNS_PORTS = (53, 5353, "53", "5353", "dns", "dns-tcp")
_LEAST_PREFIX = 8
_SNIPPETS = ("nginx.ingress.kubernetes.io/", "nginx.org/")
_HOUSED = (
    *WHOLE,
    ACCOUNT,
    CONFIG_MAP,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    "k8s:core/Secret",
    "k8s:rbac.authorization.k8s.io/Role",
    "k8s:rbac.authorization.k8s.io/RoleBinding",
)
_INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
}


@on_join("SEG-01", NAMESPACE)
def zones_are_closed_by_default(home: Resource, about: About) -> Findings:
    """Ask each zone's namespace for a policy that closes it both ways for every pod."""
    if not about.label(home, "zone"):
        return
    name = home.at("metadata.name").text()
    by_namespace: dict[str, list[Resource]] = about.graph.memo("policies by namespace", _by_namespace)
    near = by_namespace.get(name, [])
    if any(_closes(policy) for policy in near):
        return
    unclear = [*by_namespace.get("", ()), *(policy for policy in near if not _readable(policy))]
    if unclear:
        yield later("spec", unclear[0])
    else:
        yield fault("has no NetworkPolicy that closes it for every pod, in and out")


def _by_namespace(graph: Graph) -> dict[str, list[Resource]]:
    """Return policies by namespace; those of which it is not known are under the empty name."""
    found: dict[str, list[Resource]] = {}
    for policy in graph.of(NETWORK_POLICY):
        place = namespace(policy)
        home = place.text() if place.known else ""
        if not place.known:
            target = graph.target(policy, "metadata", (NAMESPACE,), ("metadata.name",))
            name = target.at("metadata.name") if target else place
            home = name.text() if name.known else ""
        found.setdefault(home, []).append(policy)
    return found


def _readable(policy: Resource) -> bool:
    spec = policy.at("spec")
    return all(spec.at(part).known for part in ("policyTypes", "podSelector", "ingress", "egress"))


def _closes(policy: Resource) -> bool:
    if not _readable(policy):
        return False
    spec = policy.at("spec")
    types = {item.text() for item in spec.at("policyTypes").items()}
    selector = spec.at("podSelector").value
    every = isinstance(selector, dict) and all(empty(value) for value in selector.values())
    return every and types == {"Ingress", "Egress"} and spec.at("ingress").absent and spec.at("egress").absent


@on("SEG-03", NETWORK_POLICY)
def policies_name_their_peers(policy: Resource) -> Findings:
    """Refuse rules for everybody and for large networks; names are asked of the cluster's DNS alone."""
    for field, peers in (("ingress", "from"), ("egress", "to")):
        for rule in policy.at(f"spec.{field}").items():
            yield from guarded(_rule(rule, peers), rule.path)


def _rule(rule: View, field: str) -> Findings:
    peers = rule.at(field)
    if peers.absent:
        yield fault(f"a rule without {field} is for everybody", rule.path)
        return
    names = field == "to" and any(port.at("port").value in _DNS_PORTS for port in rule.at("ports").items())
    for peer in peers.items():
        yield from guarded(_peer(peer, names), peer.path)


def _peer(peer: View, names: bool) -> Findings:
    if all(empty(value) for value in (peer.value or {}).values()) and peer.at("podSelector").value is None:
        yield fault("an empty peer is everybody", peer.path)
        return
    block = peer.at("ipBlock.cidr")
    if not block.absent and ip_network(block.text(), strict=False).prefixlen < _LEAST_PREFIX:
        yield fault(f"opens to {block.text()}", block.path)
    if names:
        home = peer.at("namespaceSelector.matchLabels").key("kubernetes.io/metadata.name")
        server = peer.at("podSelector.matchLabels").key("k8s-app")
        yield from expect(home, one_of("kube-system"), "asks names of others than the cluster's DNS")
        yield from expect(server, one_of("kube-dns"), "asks names of others than the cluster's DNS pods")


@on_set("SEG-04", NAMESPACE)
def namespaces_say_what_they_are(home: Resource, about: About) -> Findings:
    """Ask for Pod Security, zone, hospital and data class."""
    labels = home.at("metadata.labels")
    yield from expect(labels.key(f"{_POD_SECURITY}/enforce"), one_of("restricted"), "does not enforce restricted pods")
    yield from expect(labels.key(f"{_POD_SECURITY}/enforce-version"), given, "does not say which version it enforces")
    zone = labels.key(f"{about.settings.prefix}/zone")
    yield from expect(zone, lambda value: value in zones().zones, "is in no zone of the zone table")
    for name in ("hospital", "data-class"):
        yield from expect(labels.key(f"{about.settings.prefix}/{name}"), given, f"has no label {name}")


@on("SEG-04", *_HOUSED)
def nothing_is_outside_of_a_zone(resource: Resource) -> Findings:
    """Refuse the default namespace, which is in no zone.

    `pulumi policy analyze` also shows what a program reads: objects without any input, which a declaration always has.
    """
    if not resource.props:
        return
    home = namespace(resource)
    yield from expect(
        home, lambda name: given(name) and name != "default", "is in the default namespace, which is in no zone"
    )


@on_set("SEG-11", SERVICE)
def services_are_inside(service: Resource, about: About) -> Findings:
    """Refuse ways in from outside, but an internal balancer of the platform zone."""
    yield from expect(service.at("spec.externalIPs"), empty, "answers on addresses outside of the cluster")
    kind = service.at("spec.type").text()
    if kind == "NodePort":
        yield fault("opens a port on every node", "spec.type")
    if kind == "LoadBalancer":
        notes = service.at("metadata.annotations")
        inside = any(notes.key(name).text() == value for name, value in _INTERNAL.items())
        if about.label(service, "zone") != "platform" or not inside:
            yield fault("is a load balancer outside of the platform zone, or not marked internal", "spec.type")


@on("SEG-11", INGRESS)
def no_snippets(ingress: Resource) -> Findings:
    """Refuse annotations that put configuration into the proxy."""
    for name, view in ingress.at("metadata.annotations").fields():
        if name.startswith(_SNIPPETS) and name.endswith(("-snippet", "-snippets")):
            yield fault(f"{name} puts configuration into the proxy", view.path)
