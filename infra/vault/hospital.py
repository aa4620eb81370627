"""The mounts, keys, policies and roles of each hospital in Vault."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from infra.settings import names
from infra.vault.server import Logins

PSEUDONYM_KEY = "pseudonym"
SIGNING_KEY = "release-signing"
FHIR_SECRET = "fhir"
IDENTITY_KEY = "identity"
KEYS = {PSEUDONYM_KEY: "hmac", SIGNING_KEY: "ed25519", IDENTITY_KEY: "aes256-gcm96"}
HMAC_BYTES = 32
TOKEN_SECONDS = 900
TOKEN_MAX_SECONDS = 3600


@dataclass(frozen=True)
class Rule:
    """What a workload may do below its hospital's own mounts."""

    path: str
    capability: str


# Keys never leave Vault: workloads only have things hashed and signed, and read the public half to verify.
# What the hospital's FHIR server wants to see is written by the operator and read by the ingestor alone.
RULES: dict[str, tuple[Rule, ...]] = {
    "ingestor": (
        Rule(f"transit/hmac/{PSEUDONYM_KEY}", "update"),
        Rule(f"transit/hmac/{PSEUDONYM_KEY}/*", "update"),
        Rule(f"transit/datakey/plaintext/{IDENTITY_KEY}", "update"),
        Rule(f"kv/data/{FHIR_SECRET}", "read"),
    ),
    # Who writes the identity store cannot read it back, and who reads it cannot make pseudonyms.
    "reidentifier": (Rule(f"transit/decrypt/{IDENTITY_KEY}", "update"),),
    "trainer": (
        Rule(f"transit/sign/{SIGNING_KEY}", "update"),
        Rule(f"transit/sign/{SIGNING_KEY}/*", "update"),
        Rule(f"transit/keys/{SIGNING_KEY}", "read"),
    ),
}


@dataclass(frozen=True)
class HospitalVaultArgs:
    """Whose mounts these are and who may use them.

    Parameters
    ----------
    hospital
        The hospital.
    logins
        The method by which its pods log in.
    zones
        The zone of each workload that uses Vault; none may log in for a hospital that leaves.
    protect
        Refuse deletion of mounts and keys.
    """

    hospital: str
    logins: Logins
    zones: dict[str, str]
    protect: bool


class HospitalVault(pulumi.ComponentResource):
    """A hospital's transit and key-value mounts, with a policy and a role for each workload.

    ``release_keys`` are the public keys that sign its releases, in base64 with commas between.
    """

    release_keys: pulumi.Output[str]

    def __init__(self, name: str, args: HospitalVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        provided = pulumi.ResourceOptions(providers={"vault": args.logins.provider})
        super().__init__(
            "healthcare-mlops:infra:HospitalVault", name, None, pulumi.ResourceOptions.merge(opts, provided)
        )
        # Deleting the pseudonym key, or what it is in, would make every pseudonym of the hospital meaningless.
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        transit = vault.Mount(
            f"{name}-transit",
            path=f"{args.hospital}/transit",
            type="transit",
            description=f"Pseudonyms, identities and release signatures of hospital {args.hospital}",
            opts=kept,
        )
        vault.Mount(
            f"{name}-kv",
            path=f"{args.hospital}/kv",
            type="kv",
            options={"version": "2"},
            description=f"Secrets of hospital {args.hospital}",
            opts=kept,
        )
        keys = {
            key: vault.transit.SecretBackendKey(
                f"{name}-{key}",
                backend=transit.path,
                name=key,
                type=kind,
                key_size=HMAC_BYTES if kind == "hmac" else None,
                deletion_allowed=not args.protect,
                opts=kept,
            )
            for key, kind in KEYS.items()
        }
        for workload, rules in RULES.items():
            if workload in args.zones:
                self._role(args, workload, rules)
        # Every version: a release that was signed before the key was rotated stays trusted.
        self.release_keys = keys[SIGNING_KEY].keys.apply(
            lambda versions: ",".join(key["public_key"] for key in versions)
        )
        self.register_outputs({"transit": transit.path, "releaseKeys": self.release_keys})

    def _role(self, args: HospitalVaultArgs, workload: str, rules: Sequence[Rule]) -> None:
        child = pulumi.ResourceOptions(parent=self)
        name = names.vault_role(args.hospital, workload)
        policy = vault.Policy(name, name=name, policy=policy_text(args.hospital, rules), opts=child)
        vault.kubernetes.AuthBackendRole(
            name,
            backend=args.logins.path,
            role_name=name,
            bound_service_account_names=[workload],
            bound_service_account_namespaces=[names.namespace(args.hospital, args.zones[workload])],
            audience=args.logins.audience,
            token_policies=[policy.name],
            token_ttl=TOKEN_SECONDS,
            token_max_ttl=TOKEN_MAX_SECONDS,
            opts=child,
        )


def policy_text(hospital: str, rules: Sequence[Rule]) -> str:
    """Return a Vault policy over one hospital's mounts."""
    blocks = (f'path "{hospital}/{rule.path}" {{\n  capabilities = ["{rule.capability}"]\n}}\n' for rule in rules)
    return "\n".join(blocks)
