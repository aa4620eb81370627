"""A hospital's own authority in Vault, for the two ends of each connection to its gateway."""

from dataclasses import dataclass

import pulumi
import pulumi_vault as vault
from pulumi_vault import pkisecret

from infra.settings import names
from infra.vault.hospital import TOKEN_MAX_SECONDS, TOKEN_SECONDS, Rule, policy_text
from infra.vault.server import Logins

DAY = 86400
AUTHORITY_DAYS = 3650
SERVER_DAYS = 30
CLIENT_DAYS = 90
CLIENT = "program"


@dataclass(frozen=True)
class HospitalAuthorityArgs:
    """For whom the authority signs.

    Parameters
    ----------
    hospital, logins
        Whose authority it is, and how who asks it logs in to Vault.
    workload, host
        The server, and the one name that it answers to.
    programs
        The names of the programs that call it.
    asked_by
        Namespace and ServiceAccount of who asks for the server's certificate.
    protect
        Refuse deletion of the authority.
    closed
        Sign no more.
    """

    hospital: str
    logins: Logins
    workload: str
    host: str
    programs: tuple[str, ...]
    asked_by: tuple[pulumi.Input[str], str]
    protect: bool
    closed: bool


class HospitalAuthority(pulumi.ComponentResource):
    """An authority whose key never leaves Vault, with a role for the server and one for programs.

    The certificates of programs are handed out by who holds the hospital's break-glass role: no workload may ask for
    one.
    """

    def __init__(self, name: str, args: HospitalAuthorityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:HospitalAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        mount = vault.Mount(
            name,
            path=f"{args.hospital}/pki",
            type="pki",
            description=f"Certificates of the gateway of hospital {args.hospital} and of its programs",
            default_lease_ttl_seconds=SERVER_DAYS * DAY,
            max_lease_ttl_seconds=AUTHORITY_DAYS * DAY,
            opts=kept,
        )
        root = pkisecret.SecretBackendRootCert(
            name,
            backend=mount.path,
            type="internal",
            common_name=f"Authority of hospital {args.hospital}",
            ttl=f"{AUTHORITY_DAYS * DAY}s",
            key_type="ec",
            key_bits=384,
            max_path_length=0,
            opts=kept,
        )
        if not args.closed:
            after = pulumi.ResourceOptions(parent=self, depends_on=[root])
            _role(f"{name}-{args.workload}", args.workload, mount, [args.host], SERVER_DAYS, after, server=True)
            _role(f"{name}-{CLIENT}", CLIENT, mount, list(args.programs), CLIENT_DAYS, after, server=False)
            self._login(args, child)
        self.register_outputs({"path": mount.path})

    def _login(self, args: HospitalAuthorityArgs, child: pulumi.ResourceOptions) -> None:
        namespace, account = args.asked_by
        name = names.vault_role(args.hospital, args.workload)
        policy = vault.Policy(
            name,
            name=name,
            policy=policy_text(args.hospital, [Rule(f"pki/sign/{args.workload}", "update")]),
            opts=child,
        )
        vault.kubernetes.AuthBackendRole(
            name,
            backend=args.logins.path,
            role_name=name,
            bound_service_account_names=[account],
            bound_service_account_namespaces=[namespace],
            audience=args.logins.audience,
            token_policies=[policy.name],
            token_ttl=TOKEN_SECONDS,
            token_max_ttl=TOKEN_MAX_SECONDS,
            opts=child,
        )


def _role(
    resource: str,
    name: str,
    mount: vault.Mount,
    subjects: list[str],
    days: int,
    opts: pulumi.ResourceOptions,
    *,
    server: bool,
) -> None:
    """Declare who gets certificates: exactly these names, for one end of a connection."""
    pkisecret.SecretBackendRole(
        resource,
        backend=mount.path,
        name=name,
        allowed_domains=subjects,
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
