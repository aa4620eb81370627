"""Pods that serve mutual TLS themselves: a certificate of their ServiceAccount, and a list of callers."""

from collections.abc import Iterator

from policy_pack.facts.network.policies import INGRESS, Peer, PolicyRule
from policy_pack.facts.network.ports import PortRange
from policy_pack.facts.network.topology import PodGroup
from policy_pack.facts.secret_table import PREFIX, secret_table
from policy_pack.facts.vault.certificates import PKI_ROLE, TRUST_DOMAIN
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import INFERENCE_SERVICE, SERVING_RUNTIMES
from policy_pack.stack.pods import Pod, namespace, pod
from policy_pack.stack.text import known_text

CALLERS = "TLS_CALLERS"
PORT = "https"
# Reads figures, which have no data of patients, in plain HTTP.
MONITORING = "monitoring"
MOUNT = "workload-pki"
_FILES = ("tls.crt", "tls.key", "tls.ca")


def shortcomings(group: PodGroup, context: StackContext) -> Iterator[str]:
    """Yield why pods do not serve mutual TLS with a certificate of their own on every port that they accept.

    The certificate is from the PKI role of their ServiceAccount, by the annotations of the table of secrets; who may
    call is in a variable of their containers, and is what the zone table allows. Ports at which the zone table lets
    monitoring read figures are left out. Pods that no resource declares accept nothing.
    """
    if group.resource is None:
        return
    declared = pod(group.resource)
    account, hospital = declared.spec.at("serviceAccountName").text(), group.namespace.hospital
    if not _has_certificate(declared, hospital, account):
        yield "it has no certificate of its ServiceAccount (secret tls)"
    if not _has_role(hospital, account, context):
        yield f"Vault has no PKI role {hospital}/{MOUNT}/{account}"
    if not _accepts_on_tls_port_alone(group, account):
        yield f"it accepts connections on another port than {PORT}"
    allowed = {f"spiffe://{TRUST_DOMAIN}/{hospital}/{source}" for source in _sources(account)}
    for env in _environments(group.resource, declared, context):
        if not _callers(env) <= allowed:
            yield f"{CALLERS} has other callers than the zone table, or none"


def _environments(resource: Resource, declared: Pod, context: StackContext) -> Iterator[list[dict[str, object]]]:
    """Yield the variables of each container that runs with the pod; KServe adds a model's to those of its runtime."""
    for container in declared.containers:
        if container.main:
            inherited = _runtime_environment(resource, context) if container.merged else []
            yield [*inherited, *(container.view.at("env").whole() or [])]


def _runtime_environment(resource: Resource, context: StackContext) -> list[dict[str, object]]:
    if resource.kind != INFERENCE_SERVICE:
        return []
    place, name = namespace(resource).text(), resource.at("spec.predictor.model.runtime").text()
    return [
        variable
        for runtime in context.graph.of(*SERVING_RUNTIMES)
        if (namespace(runtime).text(), runtime.at("metadata.name").text()) == (place, name)
        for container in pod(runtime).containers
        for variable in container.view.at("env").whole() or []
    ]


def _has_certificate(declared: Pod, hospital: str, account: str) -> bool:
    expected, actual = secret_table().of(hospital, account), declared.annotations.whole() or {}
    needed = {f"{PREFIX}agent-inject", f"{PREFIX}role"} | {
        f"{PREFIX}agent-inject-{part}-{file}" for part in ("secret", "template") for file in _FILES
    }
    return all(name in expected and actual.get(name) == expected[name] for name in needed)


def _has_role(hospital: str, account: str, context: StackContext) -> bool:
    return any(
        (known_text(role.at("backend")), known_text(role.at("name"))) == (f"{hospital}/{MOUNT}", account)
        for role in context.graph.of(PKI_ROLE)
    )


def _accepts_on_tls_port_alone(group: PodGroup, account: str) -> bool:
    own = (group.named_ports or {}).get(PORT, frozenset())
    return INGRESS in group.isolated and all(
        ports.single and ((ports.protocol, ports.first) in own or _is_for_figures(rule, ports, account))
        for _, rule in group.ingress
        for ports in rule.port_ranges(group.named_ports)
    )


def _is_for_figures(rule: PolicyRule, ports: PortRange, account: str) -> bool:
    """Return whether a rule admits nothing but the platform's monitoring, at the port that the zone table gives it."""
    flows = {(flow.source, flow.target, flow.port) for flow in zones().flows}
    if ports.protocol != "TCP" or (MONITORING, account, ports.first) not in flows or ports.first in _served(account):
        return False
    return bool(rule.peers) and all(_is_monitoring(peer) for peer in rule.peers or ())


def _is_monitoring(peer: Peer) -> bool:
    pods = zones().platform_pods[MONITORING]
    labels = peer.pod_selector.get("matchLabels") or {}
    return (
        peer.cidr is None
        and peer.namespace_names == frozenset({pods.namespace})
        and pods.labels.items() <= labels.items()
    )


def _served(account: str) -> set[int]:
    """Return the ports at which other workloads may call a service."""
    return {flow.port for flow in zones().flows if flow.target == account and flow.port and flow.source != MONITORING}


def _sources(account: str) -> set[str]:
    """Return the workloads that the zone table lets call a service; monitoring is none."""
    return {flow.source for flow in zones().flows if flow.target == account and flow.source != MONITORING}


def _callers(env: list[dict[str, object]]) -> set[str]:
    """Return the identities in the variable; one that no table allows where it is missing or not a value."""
    found = [str(one.get("value") or "") for one in env if one.get("name") == CALLERS]
    return {name.strip() for name in found[-1].split(",")} if found else {""}
