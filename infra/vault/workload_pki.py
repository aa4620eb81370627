"""Vault's PKI secrets engine for a hospital's workloads: a certificate per ServiceAccount, with its SPIFFE URI."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import pkisecret

from infra.settings import names
from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS, VaultPolicyRule, policy_text
from infra.vault.server import KubernetesAuth

CA_SECONDS = 3650 * 86400
CERTIFICATE_SECONDS = 8 * 3600
SERVER_SECONDS = 24 * 3600


@dataclass(frozen=True)
class RequestedServer:
    """Server whose certificate cert-manager requests, with DNS names besides its SPIFFE URI.

    Parameters
    ----------
    service_account, hosts
        Its ServiceAccount, and the DNS names by which clients outside of the cluster know it.
    requester
        Namespace and ServiceAccount that request the certificate.
    """

    service_account: str
    hosts: tuple[str, ...]
    requester: tuple[pulumi.Input[str], str]


@dataclass(frozen=True)
class WorkloadCaArgs:
    """Arguments of the certificate authority of a hospital's workloads.

    Parameters
    ----------
    hospital, auth
        The hospital, and Vault's Kubernetes auth method.
    service_accounts
        ServiceAccounts that have a certificate; none for a leaving hospital.
    server
        The server behind which they are: the gateway, in a stack with one.
    protect
        Whether Pulumi refuses to delete the mount.
    """

    hospital: str
    auth: KubernetesAuth
    service_accounts: tuple[str, ...]
    protect: bool
    server: RequestedServer | None = None


class WorkloadCa(pulumi.ComponentResource):
    """Certificate authority of mutual TLS between workloads, with a PKI role for each ServiceAccount.

    A role issues certificates with exactly one name: the URI of its ServiceAccount; that of the gateway has its hosts
    too. Its CA is not that of client applications, so no certificate of these is accepted between workloads, and no
    workload's by the gateway. ``certificate`` is PEM.
    """

    certificate: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadCaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        vault_provider = pulumi.ResourceOptions(providers={"vault": args.auth.provider})
        super().__init__(
            "healthcare-mlops:infra:WorkloadAuthority", name, None, pulumi.ResourceOptions.merge(opts, vault_provider)
        )
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/{names.WORKLOAD_PKI}",
            type="pki",
            description=f"Certificates of the workloads of hospital {args.hospital}",
            default_lease_ttl_seconds=CERTIFICATE_SECONDS,
            max_lease_ttl_seconds=CA_SECONDS,
            opts=protected,
        )
        root = pkisecret.SecretBackendRootCert(
            name,
            backend=mount.path,
            type="internal",
            common_name=f"Workload authority of hospital {args.hospital}",
            ttl=f"{CA_SECONDS}s",
            key_type="ec",
            key_bits=384,
            max_path_length=0,
            opts=protected,
        )
        self.certificate = root.certificate
        child = pulumi.ResourceOptions(parent=self, depends_on=[root])
        for service_account in args.service_accounts:
            _role(f"{name}-{service_account}", _Names(args.hospital, service_account), mount, child)
        if args.server:
            own = _Names(args.hospital, args.server.service_account, args.server.hosts)
            _role(f"{name}-{own.service_account}", own, mount, child)
            _requester_role(args.hospital, args.auth, args.server, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"path": mount.path})


@dataclass(frozen=True)
class _Names:
    """The names in the certificates of a ServiceAccount: its URI, and the hosts of a server."""

    hospital: str
    service_account: str
    hosts: tuple[str, ...] = ()


def _role(resource_name: str, own: _Names, mount: vault.Mount, opts: pulumi.ResourceOptions) -> None:
    seconds = SERVER_SECONDS if own.hosts else CERTIFICATE_SECONDS
    pkisecret.SecretBackendRole(
        resource_name,
        backend=mount.path,
        name=own.service_account,
        allowed_uri_sans=[names.spiffe_uri(own.hospital, own.service_account)],
        allowed_domains=list(own.hosts),
        allow_bare_domains=bool(own.hosts),
        allow_subdomains=False,
        allow_localhost=False,
        allow_ip_sans=False,
        allow_wildcard_certificates=False,
        require_cn=False,
        # Every service is both: it answers its callers, and calls others.
        server_flag=True,
        client_flag=True,
        key_type="ec",
        key_bits=256,
        key_usages=["DigitalSignature"],
        ttl=str(seconds),
        max_ttl=str(seconds),
        opts=opts,
    )


def _requester_role(hospital: str, auth: KubernetesAuth, server: RequestedServer, opts: pulumi.ResourceOptions) -> None:
    """Declare the login of the requester, which may have the certificate of this server signed and nothing else."""
    namespace, service_account = server.requester
    name = names.vault_role(hospital, server.service_account)
    rules = [VaultPolicyRule(names.signing_path(server.service_account), "update")]
    policy = vault.Policy(name, name=name, policy=policy_text(hospital, rules), opts=opts)
    vault.kubernetes.AuthBackendRole(
        name,
        backend=auth.path,
        role_name=name,
        bound_service_account_names=[service_account],
        bound_service_account_namespaces=[namespace],
        audience=auth.audience,
        token_policies=[policy.name],
        token_ttl=TOKEN_SECONDS,
        token_max_ttl=TOKEN_MAX_SECONDS,
        opts=opts,
    )
