"""A person who may see and revoke leases of a database role of a hospital in Vault, for as long as a test lasts."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import hvac
from kubernetes import client

from local.cluster.openbao import operator
from local.paths import BAO_URL, Home

CLOSEST_SECONDS = 2
RBAC = "rbac.authorization.k8s.io"
"""How far the time of a lease may be from that in the name of its login, which Vault takes in the same request."""


@dataclass(frozen=True)
class LeaseRevoker:
    """Sees and revokes leases.

    Parameters
    ----------
    vault
        Client with its token.
    prefix
        Path of the leases.
    """

    vault: hvac.Client
    prefix: str

    def leases_of(self, username: str) -> list[str]:
        """Return the ids of the leases from the time that ends the name of a login.

        Beside its own there may be that of the agent's init container, whose login nobody uses any more.
        """
        created = int(username.rpartition("-")[2])
        names = self.vault.sys.list_leases(self.prefix)["data"]["keys"]
        leases = [f"{self.prefix}/{name}" for name in names]
        return [lease for lease in leases if abs(self._issued(lease) - created) <= CLOSEST_SECONDS]

    def revoke(self, lease: str) -> None:
        """Revoke a lease."""
        self.vault.sys.revoke_lease(lease)

    def _issued(self, lease: str) -> float:
        text = str(self.vault.sys.read_lease(lease)["data"]["issue_time"])
        # Go writes nanoseconds.
        return datetime.fromisoformat(f"{text.partition('.')[0].removesuffix('Z')}+00:00").timestamp()


@contextmanager
def lease_revoker(home: Home, api: client.ApiClient, hospital: str, role: str) -> Iterator[LeaseRevoker]:
    """Give a revoker of the leases of a database role; its login, policy and namespace are removed at the end."""
    prefix, name = f"{hospital}/database/creds/{role}", f"leases-{uuid.uuid4().hex[:8]}"
    rules = {
        f"sys/leases/lookup/{prefix}": '["list", "sudo"]',
        f"sys/leases/lookup/{prefix}/": '["list", "sudo"]',
        "sys/leases/lookup": '["update"]',
        "sys/leases/revoke": '["update"]',
    }
    policy = "".join(f'path "{path}" {{ capabilities = {allowed} }}\n' for path, allowed in rules.items())
    core: Any = client.CoreV1Api(api)
    rbac: Any = client.RbacAuthorizationV1Api(api)
    keeper = operator(home)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    try:
        core.create_namespaced_service_account(name, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name=name)))
        keeper.sys.create_or_update_acl_policy(name, policy)
        bound = {
            "bound_service_account_names": [name],
            "bound_service_account_namespaces": [name],
            "token_policies": [name],
            "token_ttl": "10m",
        }
        keeper.write_data(f"auth/kubernetes/role/{name}", data=bound)
        # Vault has a token reviewed with that same token.
        rbac.create_cluster_role_binding(
            {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:auth-delegator"},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": name}],
            }
        )
        request = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600)
        )
        token = core.create_namespaced_service_account_token(name, name, request).status.token
        vault = hvac.Client(url=BAO_URL, verify=str(home.pki / "ca.crt"))
        vault.token = ""
        vault.auth.kubernetes.login(name, token)
        try:
            yield LeaseRevoker(vault, prefix)
        finally:
            vault.auth.token.revoke_self()
    finally:
        keeper.delete(f"auth/kubernetes/role/{name}")
        keeper.delete(f"sys/policies/acl/{name}")
        with suppress(client.ApiException):
            rbac.delete_cluster_role_binding(name)
        core.delete_namespace(name)
