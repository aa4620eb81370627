"""Auth methods and secrets engines of Vault: what refers to them, which cluster they trust, and their keys."""

import base64
import binascii

from policy_pack.controls.rules import ANY, join_check, resource_check
from policy_pack.facts.iam.assumption import OIDC_PROVIDER
from policy_pack.stack.checks import Findings, StackContext, expect, is_not_true, is_set, one_of, violation
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import EKS, VAULT_AUTH_METHOD, VAULT_KUBERNETES_CONFIG, VAULT_KUBERNETES_ROLE
from policy_pack.stack.text import known_text

_TRANSIT_KEY = "vault:transit/secretBackendKey:SecretBackendKey"
_AUTHORITY = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
_MOUNT = "vault:index/mount:Mount"
_KUBERNETES = "kubernetes"
_KEY_TYPES = (
    *(None, "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305", "hmac", "ed25519"),
    *("ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072", "rsa-4096"),
)


@resource_check("AC-12", ANY)
def vault_has_one_namespace(resource: Resource) -> Findings:
    """Refuse objects in another namespace of Vault, where other policies and auth methods of the same names apply."""
    if resource.package == "vault":
        yield from expect(
            resource.at("namespace"), lambda name: not name, "is in a namespace of Vault that no other object is in"
        )


@join_check("AC-12", VAULT_KUBERNETES_ROLE, VAULT_KUBERNETES_CONFIG)
def logins_are_of_declared_methods(resource: Resource, context: StackContext) -> Findings:
    """Require that the auth method of a login role, or of its configuration, is one of the stack."""
    backend = resource.at("backend")
    path = _path(known_text(backend) or _KUBERNETES)
    if backend.known and path not in _auth_methods(context.graph):
        yield violation(f"auth method {path} of type kubernetes is not in this stack", backend.path)


def _auth_methods(graph: Graph) -> set[str]:
    methods = graph.of(VAULT_AUTH_METHOD)
    return {
        _path(known_text(one.at("path")) or _KUBERNETES) for one in methods if known_text(one.at("type")) == _KUBERNETES
    }


@join_check("AC-12", _AUTHORITY)
def authorities_are_of_declared_engines(authority: Resource, context: StackContext) -> Findings:
    """Require that the secrets engine of a certificate authority is one of the stack."""
    backend = authority.at("backend")
    engines = {_path(known_text(one.at("path"))) for one in context.graph.of(_MOUNT) if one.at("type").value == "pki"}
    if backend.known and _path(known_text(backend)) not in engines:
        yield violation(f"secrets engine {known_text(backend)} of type pki is not in this stack", backend.path)


@resource_check("AC-12", _TRANSIT_KEY)
def keys_have_a_strong_type(key: Resource) -> Findings:
    """Refuse short keys, types that the table of strong ones does not have, and the same ciphertext for a text."""
    yield from expect(key.at("type"), one_of(*_KEY_TYPES), "has no type of key of at least 128 bits of security")
    yield from expect(
        key.at("convergentEncryption"), is_not_true, "encrypts equal texts equally, which tells who is the same person"
    )


@join_check("AUTH-03", VAULT_KUBERNETES_CONFIG)
def the_cluster_is_verified(config: Resource, context: StackContext) -> Findings:
    """Require the certificate authority of the API server that reviews tokens: that of the stack's cluster."""
    certificate = config.at("kubernetesCaCert")
    yield from expect(certificate, is_set, "does not verify the API server that reviews tokens (kubernetes_ca_cert)")
    authorities = {
        _decoded(text)
        for cluster in context.graph.of(EKS)
        for view in (cluster.at("certificateAuthority.data"),)
        if (text := known_text(view))
    }
    if authorities and known_text(certificate) and known_text(certificate).strip() not in authorities:
        yield violation("trusts another certificate authority than the cluster's", certificate.path)


@join_check("AUTH-03", VAULT_KUBERNETES_CONFIG)
def tokens_are_reviewed_by_the_cluster(config: Resource, context: StackContext) -> Findings:
    """Require the address of the stack's cluster: who answers there decides whose token a token is.

    It is the endpoint of the EKS cluster, or without one the issuer of the OIDC provider that AWS trusts.
    """
    host = config.at("kubernetesHost")
    endpoints = [cluster.at("endpoint") for cluster in context.graph.of(EKS)]
    known = {_address(known_text(one)) for one in endpoints or [p.at("url") for p in context.graph.of(OIDC_PROVIDER)]}
    if host.known and known and "" not in known and _address(known_text(host)) not in known:
        yield violation("is not the address of the stack's cluster", host.path)


def _address(text: str) -> str:
    return text.removeprefix("https://").rstrip("/")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace").strip()
    except (binascii.Error, ValueError):
        return text.strip()


def _path(text: str) -> str:
    return text.strip("/")
