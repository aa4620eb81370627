"""Certificates that cert-manager issues and renews, and the certificate authorities of servers and of clients."""

from collections.abc import Iterator, Mapping
from typing import Any

from policy_pack.facts.exposure.gateway_objects import ANY_NAMESPACE, named
from policy_pack.facts.network.policies import policy_namespace
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import CERTIFICATE, CONFIG_MAP
from policy_pack.stack.text import known_text
from policy_pack.stack.values import NotKnownError, View

_AUTHORITY = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
_AUTHORITY_KEY = "ca.crt"
_ISSUERS = {"ClusterIssuer": "k8s:cert-manager.io/ClusterIssuer", "Issuer": "k8s:cert-manager.io/Issuer"}
Reference = Mapping[str, Any]


def untrusted(reference: Reference, namespace: str, graph: Graph) -> Iterator[str]:
    """Yield why the certificate of a reference is not one that cert-manager issues and renews."""
    name = View(reference).at("name").text()
    if _other_place(reference, namespace):
        yield f"its certificate is not a Secret of its namespace ({name})"
    elif _certificate(namespace, name, graph) is None:
        yield f"its certificate is not issued by cert-manager ({name})"


def client_authority(reference: Reference, namespace: str, graph: Graph) -> str:
    """Return the path of the certificate authority in Vault that a ConfigMap contains; empty for others.

    A Secret of cert-manager contains the authority of a server, which is not that of its clients.

    Raises
    ------
    NotKnownError
        When the ConfigMap's certificate is not known yet.
    """
    if reference.get("kind") != "ConfigMap" or (reference.get("namespace") or namespace) != namespace:
        return ""
    found = named(graph, CONFIG_MAP, namespace, View(reference).at("name").text())
    if found is None:
        return ""
    data = found.at("data").whole() or {}
    certificate = str(data.get(_AUTHORITY_KEY) or "").strip()
    own = [
        one for one in graph.of(_AUTHORITY) if certificate and known_text(one.at("certificate")).strip() == certificate
    ]
    return f"{known_text(own[0].at('backend'))}/" if len(own) == 1 else ""


def authority_of(reference: Reference, namespace: str, graph: Graph, vault: str = "") -> str:
    """Return the path of the certificate authority in Vault whose certificates a Secret contains; empty for others.

    With the URL of a Vault, authorities of other servers are others too.
    """
    if _other_place(reference, namespace):
        return ""
    certificate = _certificate(namespace, View(reference).at("name").text(), graph)
    if certificate is None:
        return ""
    issuer = certificate.at("spec.issuerRef")
    kind = issuer.at("kind").text() or "Issuer"
    if kind not in _ISSUERS:
        return ""
    found = named(graph, _ISSUERS[kind], "" if kind == "ClusterIssuer" else namespace, issuer.at("name").text())
    if found is None or (vault and found.at("spec.vault.server").text() != vault):
        return ""
    return found.at("spec.vault.path").text()


def _other_place(reference: Reference, namespace: str) -> bool:
    return (reference.get("kind") or "Secret") != "Secret" or (reference.get("namespace") or namespace) != namespace


def _certificate(namespace: str, secret: str, graph: Graph) -> Resource | None:
    by_secret: dict[tuple[str, str], Resource] = graph.memo("certificates by secret", _by_secret)
    found = by_secret.get((namespace, secret))
    if found is None and {(ANY_NAMESPACE, ""), (namespace, "")} & by_secret.keys():
        raise NotKnownError("spec.secretName")
    return found


def _by_secret(graph: Graph) -> dict[tuple[str, str], Resource]:
    found: dict[tuple[str, str], Resource] = {}
    for certificate in graph.of(CERTIFICATE):
        namespace, secret = policy_namespace(certificate, graph), certificate.at("spec.secretName")
        known = namespace is not None and secret.known
        found[ANY_NAMESPACE if namespace is None else namespace, secret.text() if known else ""] = certificate
    return found
