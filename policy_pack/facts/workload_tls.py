"""Pods that serve mutual TLS themselves: a certificate of their ServiceAccount, and a list of callers."""

from collections.abc import Iterator

from policy_pack.facts.network.policies import INGRESS
from policy_pack.facts.network.topology import PodGroup
from policy_pack.facts.secret_table import PREFIX, secret_table
from policy_pack.facts.vault.certificates import PKI_ROLE, TRUST_DOMAIN
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.pods import Pod, pod
from policy_pack.stack.text import known_text

CALLERS = "TLS_CALLERS"
PORT = "https"
MOUNT = "workload-pki"
_FILES = ("tls.crt", "tls.key", "tls.ca")


def shortcomings(group: PodGroup, context: StackContext) -> Iterator[str]:
    """Yield why pods do not serve mutual TLS with a certificate of their own on every port that they accept.

    The certificate is from the PKI role of their ServiceAccount, by the annotations of the table of secrets; who may
    call is in a variable of their container, and is what the zone table allows.
    """
    if group.resource is None:
        yield "its pods are not in this stack"
        return
    declared = pod(group.resource)
    account, hospital = declared.spec.at("serviceAccountName").text(), group.namespace.hospital
    if not _has_certificate(declared, hospital, account):
        yield "it has no certificate of its ServiceAccount (secret tls)"
    if not _has_role(hospital, account, context):
        yield f"Vault has no PKI role {hospital}/{MOUNT}/{account}"
    if not _accepts_on_tls_port_alone(group):
        yield f"it accepts connections on another port than {PORT}"
    allowed = {f"spiffe://{TRUST_DOMAIN}/{hospital}/{source}" for source in _sources(account)}
    for container in declared.containers:
        if container.main and not _callers(container.view.at("env").whole() or []) <= allowed:
            yield f"{CALLERS} has other callers than the zone table, or none"


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


def _accepts_on_tls_port_alone(group: PodGroup) -> bool:
    own = (group.named_ports or {}).get(PORT, frozenset())
    return INGRESS in group.isolated and all(
        ports.single and (ports.protocol, ports.first) in own
        for _, rule in group.ingress
        for ports in rule.port_ranges(group.named_ports)
    )


def _sources(account: str) -> set[str]:
    return {flow.source for flow in zones().flows if flow.target == account}


def _callers(env: list[dict[str, object]]) -> set[str]:
    """Return the identities in the variable; one that no table allows where it is missing or not a value."""
    found = [str(one.get("value") or "") for one in env if one.get("name") == CALLERS]
    return {name.strip() for name in found[-1].split(",")} if found else {""}
