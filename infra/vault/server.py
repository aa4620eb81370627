"""Server-wide configuration of Vault: Kubernetes auth method, rate limit of logins."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from infra.cluster.cluster import Cluster
from infra.settings import Settings

AUTH_PATH = "kubernetes"
# Per client address and second; a pod logs in once in 15 minutes.
LOGIN_RATE = 20


@dataclass(frozen=True)
class KubernetesAuth:
    """Vault's Kubernetes auth method.

    Parameters
    ----------
    provider
        Vault provider.
    path
        Mount path of the auth method.
    audience
        Required audience of ServiceAccount tokens.
    """

    provider: vault.Provider
    path: pulumi.Output[str]
    audience: pulumi.Input[str]


def kubernetes_auth(settings: Settings, cluster: Cluster) -> KubernetesAuth:
    """Declare the Kubernetes auth method; audit devices belong to the configuration of the server.

    Vault reviews each token with that token (TokenReview), so it holds no credential of the cluster. User lockout does
    not apply to token logins; the rate limit bounds attempts.
    """
    # The token comes from VAULT_TOKEN; without a child token the state contains none.
    provider = vault.Provider(
        "vault", address=settings.endpoints.vault.url, namespace=settings.vault.namespace, skip_child_token=True
    )
    opts = pulumi.ResourceOptions(provider=provider)
    backend = vault.AuthBackend("kubernetes", type="kubernetes", path=AUTH_PATH, opts=opts)
    # Of logins alone: an update and the audit make many requests about the roles of the method in a second.
    vault.QuotaRateLimit(
        "logins", name="logins", path=backend.path.apply(lambda path: f"auth/{path}/login"), rate=LOGIN_RATE, opts=opts
    )
    config = vault.kubernetes.AuthBackendConfig(
        "kubernetes",
        backend=backend.path,
        kubernetes_host=cluster.api_url,
        kubernetes_ca_cert=cluster.api_ca,
        disable_local_ca_jwt=True,
        opts=opts,
    )
    return KubernetesAuth(provider, config.backend.apply(str), cluster.audience)
