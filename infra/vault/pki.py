"""Vault's PKI secrets engine of a hospital: server certificate of its gateway, client certificates of applications."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import pkisecret

from infra.settings import names
from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS, VaultPolicyRule, policy_text
from infra.vault.server import KubernetesAuth

DAY = 86400
CA_DAYS = 3650
SERVER_DAYS = 30
CLIENT_DAYS = 90
CLIENT_ROLE = "program"


@dataclass(frozen=True)
class HospitalCaArgs:
    """Arguments of a hospital's certificate authority.

    Parameters
    ----------
    hospital, auth
        The hospital, and Vault's Kubernetes auth method.
    server, host
        The ServiceAccount of the server, which names its PKI role, and its only DNS name.
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
    host: str
    applications: tuple[str, ...]
    requester: tuple[pulumi.Input[str], str]
    protect: bool
    closed: bool


class HospitalCa(pulumi.ComponentResource):
    """Certificate authority in Vault with a PKI role for the server and one for client applications.

    No workload can request client certificates; a person with the break-glass role issues them.
    """

    def __init__(self, name: str, args: HospitalCaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:HospitalAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/pki",
            type="pki",
            description=f"Certificates of the gateway of hospital {args.hospital} and of its programs",
            default_lease_ttl_seconds=SERVER_DAYS * DAY,
            max_lease_ttl_seconds=CA_DAYS * DAY,
            opts=protected,
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
            opts=protected,
        )
        if not args.closed:
            opts = pulumi.ResourceOptions(parent=self, depends_on=[root])
            _pki_role(f"{name}-{args.server}", args.server, mount, [args.host], SERVER_DAYS, opts, server=True)
            clients = list(args.applications)
            _pki_role(f"{name}-{CLIENT_ROLE}", CLIENT_ROLE, mount, clients, CLIENT_DAYS, opts, server=False)
            self._requester_role(args, child)
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


def _pki_role(
    resource_name: str,
    name: str,
    mount: vault.Mount,
    allowed_domains: list[str],
    days: int,
    opts: pulumi.ResourceOptions,
    *,
    server: bool,
) -> None:
    """Declare a PKI role for exactly these names, with server or client authentication as its extended key usage."""
    pkisecret.SecretBackendRole(
        resource_name,
        backend=mount.path,
        name=name,
        allowed_domains=allowed_domains,
        allow_bare_domains=True,
        allow_subdomains=False,
        allow_localhost=False,
        allow_ip_sans=False,
        allow_wildcard_certificates=False,
        enforce_hostnames=server,
        server_flag=server,
        client_flag=not server,
        key_type="ec",
        key_bits=256,
        key_usages=["DigitalSignature"],
        ttl=str(days * DAY),
        max_ttl=str(days * DAY),
        opts=opts,
    )
