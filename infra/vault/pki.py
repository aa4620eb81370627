"""Vault's PKI engine of a hospital: certificates of its gateway and of client applications, and their revocation.

A client certificate is revoked in Vault (``bao write HOSPITAL/pki/revoke serial_number=…``); the next update publishes
the revocation list to the gateway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import pkisecret

from infra.settings import names
from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS, VaultPolicyRule, policy_text
from infra.vault.server import KubernetesAuth

HOUR = 3600
DAY = 24 * HOUR
CA_DAYS = 3650
SERVER_HOURS = 24
CLIENT_DAYS = 90
# A gateway refuses every client when its list has expired; Vault writes a new one for each revocation.
REVOCATION_LIST_DAYS = 365
CLIENT_ROLE = "program"


@dataclass(frozen=True)
class HospitalCaArgs:
    """Arguments of a hospital's certificate authority.

    Parameters
    ----------
    hospital, auth
        The hospital, and Vault's Kubernetes auth method.
    server, hosts
        The ServiceAccount of the server, which names its PKI role, and its only DNS names.
    applications
        Names of the client applications.
    requester
        Namespace and ServiceAccount that request the server's certificate.
    protect
        Whether Pulumi refuses to delete the mount.
    closed
        Whether it issues no certificates, as for a leaving hospital.
    """

    hospital: str
    auth: KubernetesAuth
    server: str
    hosts: tuple[str, ...]
    applications: tuple[str, ...]
    requester: tuple[pulumi.Input[str], str]
    protect: bool
    closed: bool


class HospitalCa(pulumi.ComponentResource):
    """Certificate authority in Vault with a PKI role for the server and one for client applications.

    No workload can request client certificates; a person with the break-glass role issues them. ``revocation_list``
    is PEM.
    """

    revocation_list: pulumi.Output[str]

    def __init__(self, name: str, args: HospitalCaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:HospitalAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/pki",
            type="pki",
            description=f"Certificates of the gateway of hospital {args.hospital} and of its programs",
            default_lease_ttl_seconds=CLIENT_DAYS * DAY,
            max_lease_ttl_seconds=CA_DAYS * DAY,
            opts=protected,
        )
        # Before the CA, whose creation makes the first list with this validity.
        lists = pkisecret.SecretBackendCrlConfig(
            name, backend=mount.path, expiry=f"{REVOCATION_LIST_DAYS * DAY}s", disable=False, opts=child
        )
        root = pkisecret.SecretBackendRootCert(
            name,
            backend=mount.path,
            type="internal",
            common_name=f"Authority of hospital {args.hospital}",
            ttl=f"{CA_DAYS * DAY}s",
            key_type="ec",
            key_bits=384,
            max_path_length=0,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, depends_on=[lists]),
        )
        after_root = pulumi.ResourceOptions(parent=self, depends_on=[root])
        if not args.closed:
            server = _PkiRole(args.server, args.hosts, SERVER_HOURS * HOUR, server=True)
            _pki_role(f"{name}-{args.server}", server, mount, after_root)
            client = _PkiRole(CLIENT_ROLE, args.applications, CLIENT_DAYS * DAY, server=False)
            _pki_role(f"{name}-{CLIENT_ROLE}", client, mount, after_root)
            self._requester_role(args, child)
        revoked = vault.generic.get_secret_output(
            path=pulumi.Output.all(root.id, mount.path).apply(lambda known: f"{known[1]}/cert/crl"),
            opts=pulumi.InvokeOptions(parent=self),
        )
        self.revocation_list = pulumi.Output.unsecret(revoked.data.apply(lambda data: data["certificate"]))
        self.register_outputs({"path": mount.path})

    def _requester_role(self, args: HospitalCaArgs, child: pulumi.ResourceOptions) -> None:
        namespace, service_account = args.requester
        name = names.vault_role(args.hospital, args.server)
        policy = vault.Policy(
            name,
            name=name,
            policy=policy_text(args.hospital, [VaultPolicyRule(f"pki/sign/{args.server}", "update")]),
            opts=child,
        )
        vault.kubernetes.AuthBackendRole(
            name,
            backend=args.auth.path,
            role_name=name,
            bound_service_account_names=[service_account],
            bound_service_account_namespaces=[namespace],
            audience=args.auth.audience,
            token_policies=[policy.name],
            token_ttl=TOKEN_SECONDS,
            token_max_ttl=TOKEN_MAX_SECONDS,
            opts=child,
        )


@dataclass(frozen=True)
class _PkiRole:
    """A PKI role for exactly these names, with server or client authentication as its extended key usage."""

    name: str
    allowed_domains: Sequence[str]
    seconds: int
    server: bool


def _pki_role(resource_name: str, role: _PkiRole, mount: vault.Mount, opts: pulumi.ResourceOptions) -> None:
    pkisecret.SecretBackendRole(
        resource_name,
        backend=mount.path,
        name=role.name,
        allowed_domains=list(role.allowed_domains),
        allow_bare_domains=True,
        allow_subdomains=False,
        allow_localhost=False,
        allow_ip_sans=False,
        allow_wildcard_certificates=False,
        enforce_hostnames=role.server,
        server_flag=role.server,
        client_flag=not role.server,
        key_type="ec",
        key_bits=256,
        key_usages=["DigitalSignature"],
        ttl=str(role.seconds),
        max_ttl=str(role.seconds),
        opts=opts,
    )
