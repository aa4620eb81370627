"""Network segmentation of the cluster: namespaces of zones, NetworkPolicies, Services and Ingresses."""

import re
from ipaddress import ip_network

from policy_pack.controls.rules import context_check, join_check, resource_check
from policy_pack.facts.network.policies import (
    NAMESPACE_NAME_LABEL,
    Peer,
    allows_dns_port,
    is_default_deny,
    policy_namespace,
)
from policy_pack.facts.network.selectors import required_values
from policy_pack.facts.network.topology import NAME_LABEL
from policy_pack.facts.structure import namespace_name, zone_of_namespace
from policy_pack.facts.zone_table import SHARED, zones
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    expect,
    guarded,
    is_set,
    not_yet_known,
    one_of,
    violation,
)
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import CONFIG_MAP, INGRESS, NAMESPACE, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT
from policy_pack.stack.pods import POD_OWNERS, namespace
from policy_pack.stack.values import View

# The data class of a namespace without data.
_NO_DATA = "none"
_POD_SECURITY = "pod-security.kubernetes.io"
_MINIMUM_PREFIX = 8
_ENFORCED = re.compile(r'"enableNetworkPolicy": *"?true"?')
_NGINX = ("nginx.ingress.kubernetes.io/", "nginx.org/")
_NAMESPACED = (
    *POD_OWNERS,
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    "k8s:core/Secret",
    "k8s:rbac.authorization.k8s.io/Role",
    "k8s:rbac.authorization.k8s.io/RoleBinding",
)


@resource_check("SEG-01", "aws:eks/addon:Addon")
def the_cni_enforces_policies(addon: Resource) -> Findings:
    """Require that the CNI enforces NetworkPolicies, which it does not by itself."""
    configuration = addon.at("configurationValues")
    if addon.at("addonName").text() == "vpc-cni" and not _ENFORCED.search(configuration.text()):
        yield violation("does not enforce NetworkPolicies (enableNetworkPolicy)", configuration.path)


@join_check("SEG-01", NAMESPACE)
def zones_have_a_default_deny_policy(zone_namespace: Resource, context: StackContext) -> Findings:
    """Require a default-deny NetworkPolicy, for ingress and egress of every pod, in every namespace."""
    name = zone_namespace.at("metadata.name").text()
    by_namespace: dict[str, list[Resource]] = context.graph.memo("policies by namespace", _by_namespace)
    policies = by_namespace.get(name, [])
    denies = {policy.urn: is_default_deny(policy) for policy in policies}
    if any(denies.values()):
        return
    unknown = [*by_namespace.get("", ()), *(policy for policy in policies if denies[policy.urn] is None)]
    if unknown:
        yield not_yet_known("spec", unknown[0])
    else:
        yield violation("has no default-deny NetworkPolicy for ingress and egress of every pod")


def _by_namespace(graph: Graph) -> dict[str, list[Resource]]:
    """Return policies by namespace; those whose namespace is not known are under the empty name."""
    policies: dict[str, list[Resource]] = {}
    for policy in graph.of(NETWORK_POLICY):
        policies.setdefault(policy_namespace(policy, graph) or "", []).append(policy)
    return policies


@resource_check("SEG-03", NETWORK_POLICY)
def policies_restrict_their_peers(policy: Resource) -> Findings:
    """Refuse rules that allow everyone, large networks or namespaces by forgeable labels, and DNS to other pods."""
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in policy.at(f"spec.{direction}").items():
            yield from guarded(_rule(rule, peers), rule.path)


def _rule(rule: View, field: str) -> Findings:
    peers = rule.at(field)
    if peers.absent:
        yield violation(f"a rule without {field} allows everyone", rule.path)
        return
    dns = field == "to" and allows_dns_port(rule)
    for peer in peers.items():
        yield from guarded(_peer(peer, dns=dns), peer.path)


def _peer(view: View, *, dns: bool) -> Findings:
    peer = Peer(view.whole() or {})
    if peer.is_everyone:
        yield violation("a peer without selectors allows everyone", view.path)
        return
    if peer.namespace_selector is not None and peer.namespace_names is None:
        message = f"selects namespaces by labels that their creator sets; select them by {NAMESPACE_NAME_LABEL}"
        yield violation(message, f"{view.path}.namespaceSelector")
    if peer.cidr is not None and ip_network(peer.cidr, strict=False).prefixlen < _MINIMUM_PREFIX:
        yield violation(f"allows the network {peer.cidr}", f"{view.path}.ipBlock.cidr")
    if dns and not peer.in_kube_dns_namespace:
        path = f"{view.path}.namespaceSelector.matchLabels.{NAMESPACE_NAME_LABEL}"
        yield violation("allows DNS to something other than kube-dns", path)
    if dns and not peer.has_kube_dns_labels:
        path = f"{view.path}.podSelector.matchLabels.k8s-app"
        yield violation("allows DNS to something other than the pods of kube-dns", path)


@resource_check("SEG-03", NETWORK_POLICY)
def policies_are_in_force(policy: Resource) -> Findings:
    """Refuse rules of a direction that policyTypes does not have: they look like a limit, and nobody enforces them."""
    types = policy.at("spec.policyTypes")
    for direction in ("Ingress", "Egress"):
        rules = policy.at(f"spec.{direction.lower()}")
        if not types.absent and not rules.absent and direction not in types.value:
            message = f"has rules for {direction.lower()} that are not in force; remove them, or add {direction}"
            yield violation(f"{message} to policyTypes", rules.path)


@resource_check("SEG-03", NETWORK_POLICY)
def policies_of_zones_name_their_workload(policy: Resource) -> Findings:
    """Require that a policy with rules names the workloads of a zone: one of all pods admits those that come later."""
    ruled = any(not policy.at(f"spec.{direction}").absent for direction in ("ingress", "egress"))
    selector = policy.at("spec.podSelector")
    if ruled and zone_of_namespace(namespace_name(policy)) and not required_values(selector.whole() or {}, NAME_LABEL):
        yield violation(f"selects pods of every workload; name those that it is for ({NAME_LABEL})", selector.path)


@context_check("SEG-04", NAMESPACE)
def namespaces_have_their_labels(zone_namespace: Resource, context: StackContext) -> Findings:
    """Require the labels of Pod Security admission, zone and hospital, and the data classes of the zone table."""
    labels, prefix = zone_namespace.at("metadata.labels"), context.settings.prefix
    enforce = labels.key(f"{_POD_SECURITY}/enforce")
    yield from expect(enforce, one_of("restricted"), "does not enforce the restricted Pod Security Standard")
    version = labels.key(f"{_POD_SECURITY}/enforce-version")
    yield from expect(version, is_set, "does not pin the version of the Pod Security Standard")
    zone = labels.key(f"{prefix}/zone")
    yield from expect(zone, lambda value: value in zones().zones, "its zone is not in the zone table")
    hospital = labels.key(f"{prefix}/hospital")
    yield from expect(hospital, is_set, "has no label hospital")
    for name, classes in (("data-class", zones().holds), ("data-passes", zones().passes)):
        label = labels.key(f"{prefix}/{name}")
        yield from expect(label, is_set, f"has no label {name}")
        if zone.known and hospital.known and label.known and label.text():
            declared = _NO_DATA if hospital.text() == SHARED else classes.get(zone.text(), _NO_DATA)
            message = f"has the label {name} {label.text()}, and zones.yaml has {declared} for its zone"
            yield from expect(label, one_of(declared), message)


@resource_check("SEG-04", *_NAMESPACED)
def nothing_is_in_the_default_namespace(resource: Resource) -> Findings:
    """Refuse the default namespace, which is not in a zone.

    `pulumi policy analyze` also shows resources that a program only reads: these have no inputs at all.
    """
    if not resource.props:
        return
    message = "is in the default namespace, which is not in a zone"
    yield from expect(namespace(resource), lambda name: is_set(name) and name != "default", message)


@resource_check("SEG-11", INGRESS)
def ingresses_have_no_snippets(ingress: Resource) -> Findings:
    """Refuse annotations that add configuration to the proxy."""
    for name, view in ingress.at("metadata.annotations").fields():
        if name.startswith(_NGINX) and name.endswith(("-snippet", "-snippets")):
            yield violation(f"{name} adds configuration to the proxy", view.path)
