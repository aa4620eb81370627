"""Vault's PKI secrets engine for a hospital's workloads: a certificate per ServiceAccount, with its SPIFFE URI."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import pkisecret

from infra.settings import names
from infra.vault.server import KubernetesAuth

MOUNT = "workload-pki"
CA_SECONDS = 3650 * 86400
CERTIFICATE_SECONDS = 8 * 3600


@dataclass(frozen=True)
class WorkloadCaArgs:
    """Arguments of the certificate authority of a hospital's workloads.

    Parameters
    ----------
    hospital, auth
        The hospital, and Vault's Kubernetes auth method.
    service_accounts
        ServiceAccounts that have a certificate; none for a leaving hospital.
    protect
        Whether Pulumi refuses to delete the mount.
    """

    hospital: str
    auth: KubernetesAuth
    service_accounts: tuple[str, ...]
    protect: bool


class WorkloadCa(pulumi.ComponentResource):
    """Certificate authority of mutual TLS between workloads, with a PKI role for each ServiceAccount.

    A role issues certificates with exactly one name: the URI of its ServiceAccount. Its CA is not that of the
    gateway and of client applications, so no certificate of these is accepted between workloads. ``certificate``
    is PEM.
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
            path=f"{args.hospital}/{MOUNT}",
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
            _role(f"{name}-{service_account}", args.hospital, service_account, mount, child)
        self.register_outputs({"path": mount.path})


def _role(
    resource_name: str, hospital: str, service_account: str, mount: vault.Mount, opts: pulumi.ResourceOptions
) -> None:
    pkisecret.SecretBackendRole(
        resource_name,
        backend=mount.path,
        name=service_account,
        allowed_uri_sans=[names.spiffe_uri(hospital, service_account)],
        allowed_domains=[],
        allow_bare_domains=False,
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
        ttl=str(CERTIFICATE_SECONDS),
        max_ttl=str(CERTIFICATE_SECONDS),
        opts=opts,
    )
