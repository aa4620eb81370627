"""What Vault has once for all hospitals: its records, a limit on logins, and the method by which pods log in."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from infra.cluster.cluster import Cluster
from infra.settings.values import Settings

LOGIN_PATH = "kubernetes"
# A pod logs in once in a quarter of an hour; no node has so many that this would keep one of them waiting.
LOGINS_A_SECOND = 20
DEVICES = ("first", "second", "third")


@dataclass(frozen=True)
class Logins:
    """The method by which pods log in.

    Parameters
    ----------
    provider
        Deploys to Vault.
    path
        Where the method is mounted.
    audience
        For whom a pod's token must have been made.
    """

    provider: vault.Provider
    path: pulumi.Output[str]
    audience: pulumi.Input[str]


def trust_cluster(settings: Settings, cluster: Cluster) -> Logins:
    """Let Vault record every request, and accept the cluster's ServiceAccount tokens.

    Each token is reviewed on its own authority, so Vault holds no standing credential of the cluster. Nobody logs in
    with a password, so there is nothing that a lockout could lock; a limit by client stops who tries tokens.
    """
    # The token comes from the environment, and no child of it is made that the state would have to keep.
    provider = vault.Provider(
        "vault", address=settings.endpoints.vault.url, namespace=settings.vault.namespace, skip_child_token=True
    )
    opts = pulumi.ResourceOptions(provider=provider)
    recorded = pulumi.ResourceOptions(provider=provider, depends_on=_records(settings.vault.audit_files, provider))
    backend = vault.AuthBackend("kubernetes", type="kubernetes", path=LOGIN_PATH, opts=recorded)
    vault.QuotaRateLimit(
        "logins", name="logins", path=backend.path.apply(lambda path: f"auth/{path}/"), rate=LOGINS_A_SECOND, opts=opts
    )
    config = vault.kubernetes.AuthBackendConfig(
        "kubernetes",
        backend=backend.path,
        kubernetes_host=cluster.api_url,
        kubernetes_ca_cert=cluster.api_ca,
        disable_local_ca_jwt=True,
        opts=opts,
    )
    return Logins(provider, config.backend.apply(str), cluster.audience)


def _records(files: Sequence[str], provider: vault.Provider) -> list[vault.Audit]:
    """Declare the server's records, in which every value is an HMAC; a managed Vault has its own, and no files.

    A request that no device can record is refused, so one of them may fail. What a device has written stays when the
    stack goes.
    """
    return [
        vault.Audit(
            name,
            type="file",
            path=name,
            description="HMAC of every value",
            options={"file_path": file, "mode": "0600"},
            opts=pulumi.ResourceOptions(provider=provider),
        )
        for name, file in zip(DEVICES, files, strict=False)
    ]
