"""Vault of a hospital: transit and key-value secrets engines, and a policy with a role for each workload."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_vault as vault
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as validated

from infra.settings import names
from infra.vault.server import KubernetesAuth

PSEUDONYM_KEY = "pseudonym"
SIGNING_KEY = "release-signing"
AUDIT_KEY = "audit-signing"
IDENTITY_KEY = "identity"
# Also keyed hashes (HMAC) of the values that are searched for.
IDENTITY_LOOKUP_KEY = "identity-lookup"
KEYS = {
    PSEUDONYM_KEY: "hmac",
    SIGNING_KEY: "ed25519",
    AUDIT_KEY: "ed25519",
    IDENTITY_KEY: "aes256-gcm96",
    IDENTITY_LOOKUP_KEY: "aes256-gcm96",
}
HMAC_BYTES = 32
TOKEN_SECONDS = 900
TOKEN_MAX_SECONDS = 3600


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class VaultPolicyRule:
    """Rule of a Vault policy: a path below the hospital's mounts, and the capability on it."""

    path: str
    capability: Literal["create", "read", "update", "delete", "list"]


@dataclass(frozen=True)
class VaultWorkload:
    """A workload that logs in to Vault: its ServiceAccount and the rules of its policy."""

    service_account: str
    namespace: str
    rules: Sequence[VaultPolicyRule]


@dataclass(frozen=True)
class HospitalVaultArgs:
    """Arguments of a hospital's Vault.

    Parameters
    ----------
    hospital
        The hospital's name.
    auth
        Vault's Kubernetes auth method.
    workloads
        The workloads that log in; none for a leaving hospital.
    protect
        Whether Pulumi refuses to delete mounts and keys.
    """

    hospital: str
    auth: KubernetesAuth
    workloads: Sequence[VaultWorkload]
    protect: bool


class HospitalVault(pulumi.ComponentResource):
    """Secrets engines, keys, policies and roles of a hospital.

    ``release_keys`` are the public keys that sign its releases, and ``audit_keys`` those that sign the anchors of its
    audit chain: base64, separated by commas.
    """

    release_keys: pulumi.Output[str]
    audit_keys: pulumi.Output[str]

    def __init__(self, name: str, args: HospitalVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        vault_provider = pulumi.ResourceOptions(providers={"vault": args.auth.provider})
        super().__init__(
            "healthcare-mlops:infra:HospitalVault", name, None, pulumi.ResourceOptions.merge(opts, vault_provider)
        )
        # Without the pseudonym key, pseudonyms of the hospital can no longer be linked.
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        transit = vault.Mount(
            f"{name}-transit",
            path=f"{args.hospital}/transit",
            type="transit",
            description=f"Pseudonyms, identities and release signatures of hospital {args.hospital}",
            opts=protected,
        )
        vault.Mount(
            f"{name}-kv",
            path=f"{args.hospital}/kv",
            type="kv",
            options={"version": "2"},
            description=f"Secrets of hospital {args.hospital}",
            opts=protected,
        )
        keys = {
            key: vault.transit.SecretBackendKey(
                f"{name}-{key}",
                backend=transit.path,
                name=key,
                type=key_type,
                key_size=HMAC_BYTES if key_type == "hmac" else None,
                deletion_allowed=not args.protect,
                opts=protected,
            )
            for key, key_type in KEYS.items()
        }
        for workload in args.workloads:
            self._role(args, workload)
        self.release_keys = _public_keys(keys[SIGNING_KEY])
        self.audit_keys = _public_keys(keys[AUDIT_KEY])
        outputs = {"transit": transit.path, "releaseKeys": self.release_keys, "auditKeys": self.audit_keys}
        self.register_outputs(outputs)

    def _role(self, args: HospitalVaultArgs, workload: VaultWorkload) -> None:
        child = pulumi.ResourceOptions(parent=self)
        name = names.vault_role(args.hospital, workload.service_account)
        policy = vault.Policy(name, name=name, policy=policy_text(args.hospital, workload.rules), opts=child)
        vault.kubernetes.AuthBackendRole(
            name,
            backend=args.auth.path,
            role_name=name,
            bound_service_account_names=[workload.service_account],
            bound_service_account_namespaces=[workload.namespace],
            audience=args.auth.audience,
            token_policies=[policy.name],
            token_ttl=TOKEN_SECONDS,
            token_max_ttl=TOKEN_MAX_SECONDS,
            opts=child,
        )


def _public_keys(key: vault.transit.SecretBackendKey) -> pulumi.Output[str]:
    """Return the public keys of all versions, so that what was signed before a rotation stays valid."""
    return key.keys.apply(lambda versions: ",".join(version["public_key"] for version in versions))


def policy_text(hospital: str, rules: Sequence[VaultPolicyRule]) -> str:
    """Return a Vault policy in HCL over one hospital's mounts."""
    blocks = (f'path "{hospital}/{rule.path}" {{\n  capabilities = ["{rule.capability}"]\n}}\n' for rule in rules)
    return "\n".join(blocks)
