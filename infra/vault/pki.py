"""Vault's PKI engine of a hospital: certificates of the applications that its gateway admits, and their revocation.

A client certificate is revoked in Vault (``bao write HOSPITAL/pki/revoke serial_number=…``); ``make revocations`` or
the next update publishes the revocation list to the gateway.
"""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import pkisecret

from infra.vault.server import KubernetesAuth

DAY = 24 * 3600
CA_DAYS = 3650
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
    applications
        Names of the client applications.
    protect
        Whether Pulumi refuses to delete the mount.
    closed
        Whether it issues no certificates, as for a leaving hospital.
    """

    hospital: str
    auth: KubernetesAuth
    applications: tuple[str, ...]
    protect: bool
    closed: bool


class HospitalCa(pulumi.ComponentResource):
    """Certificate authority in Vault of a hospital's client applications, with one PKI role.

    No workload can request its certificates; a person with the break-glass role issues them. ``certificate`` and
    ``revocation_list`` are PEM.
    """

    certificate: pulumi.Output[str]
    revocation_list: pulumi.Output[str]

    def __init__(self, name: str, args: HospitalCaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:HospitalAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/pki",
            type="pki",
            description=f"Certificates of the client applications of hospital {args.hospital}",
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
        self.certificate = root.certificate
        if not args.closed:
            _client_role(name, args.applications, mount, pulumi.ResourceOptions(parent=self, depends_on=[root]))
        revoked = vault.generic.get_secret_output(
            path=pulumi.Output.all(root.id, mount.path).apply(lambda parts: f"{parts[1]}/cert/crl"),
            opts=pulumi.InvokeOptions(parent=self),
        )
        self.revocation_list = pulumi.Output.unsecret(revoked.data.apply(lambda data: data["certificate"]))
        self.register_outputs({"path": mount.path})


def _client_role(
    name: str, applications: tuple[str, ...], mount: vault.Mount, opts: pulumi.ResourceOptions
) -> pkisecret.SecretBackendRole:
    return pkisecret.SecretBackendRole(
        f"{name}-{CLIENT_ROLE}",
        backend=mount.path,
        name=CLIENT_ROLE,
        allowed_domains=list(applications),
        allow_bare_domains=True,
        allow_subdomains=False,
        allow_localhost=False,
        allow_ip_sans=False,
        allow_wildcard_certificates=False,
        enforce_hostnames=False,
        server_flag=False,
        client_flag=True,
        key_type="ec",
        key_bits=256,
        key_usages=["DigitalSignature"],
        ttl=str(CLIENT_DAYS * DAY),
        max_ttl=str(CLIENT_DAYS * DAY),
        opts=opts,
    )
