"""Names, tags and labels of resources, with environment, hospital and purpose."""

from infra.settings.hospital import DataClass

PROJECT = "hmlops"
DOMAIN = "healthcare-mlops"
OWNER = "platform"
SHARED = "shared"
BREAK_GLASS = "break-glass"
WORKLOAD_LABEL = "app.kubernetes.io/name"
ROLE_ANNOTATION = f"{DOMAIN}/role-arn"
# Mount, below the hospital's, of the certificate authority of its workloads.
WORKLOAD_PKI = "workload-pki"


def stem(environment: str) -> str:
    """Return the prefix of an environment's names, which is also the name of its only resource of a type."""
    return f"{PROJECT}-{environment}"


def bucket(environment: str, hospital: str, data: DataClass) -> str:
    """Return the name of a hospital's bucket."""
    return f"{stem(environment)}-{hospital}-{data}"


def key_alias(environment: str, hospital: str, data: DataClass) -> str:
    """Return the alias of the KMS key of a hospital's data of one class."""
    return f"alias/{bucket(environment, hospital, data)}"


def role(environment: str, hospital: str, workload: str) -> str:
    """Return the name of a workload's IAM role."""
    return f"{stem(environment)}-{hospital}-{workload}"


def spiffe_uri(hospital: str, service_account: str) -> str:
    """Return the SPIFFE URI of a ServiceAccount, the name in its certificate."""
    return f"spiffe://{PROJECT}/{hospital}/{service_account}"


def vault_role(hospital: str, workload: str) -> str:
    """Return the name of a workload's role, and policy, in Vault."""
    return f"{hospital}-{workload}"


def signing_path(workload: str) -> str:
    """Return that path below the hospital's mounts, as rules of Vault policies have it."""
    return f"{WORKLOAD_PKI}/sign/{workload}"


def certificate_path(hospital: str, workload: str) -> str:
    """Return the path at which the certificate authority of a hospital's workloads in Vault signs a certificate."""
    return f"{hospital}/{signing_path(workload)}"


def namespace(hospital: str, zone: str) -> str:
    """Return the name of the namespace of a hospital's zone."""
    return f"{hospital}-{zone}"


def holds_phi(data: DataClass | None) -> bool:
    """Return whether data of a class is PHI; pseudonymised data is, until an expert determines otherwise."""
    return data is not None and data is not DataClass.MODELS


def tags(
    environment: str,
    hospital: str | None = None,
    data: DataClass | None = None,
    *,
    phi: bool | None = None,
    **more: str,
) -> dict[str, str]:
    """Return the tags of an AWS resource.

    Parameters
    ----------
    environment, hospital, data
        The environment, the hospital and the class of the data in the resource.
    phi
        Whether it contains PHI; by default, as ``holds_phi`` returns for its class.
    **more
        Further tags, such as ``backup="daily"``; an underscore becomes a hyphen.
    """
    values: dict[str, str | None] = {
        "environment": environment,
        "owner": OWNER,
        "phi": str(holds_phi(data) if phi is None else phi).lower(),
        "hospital": hospital,
        "data-class": data,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return {f"{DOMAIN}/{name}": str(value) for name, value in values.items() if value}


def labels(
    hospital: str | None = None, zone: str | None = None, workload: str | None = None, **more: str
) -> dict[str, str]:
    """Return the labels of a Kubernetes object.

    Parameters
    ----------
    hospital, zone, workload
        The hospital, the zone and the workload that the object belongs to.
    **more
        Further labels of the project, such as ``owner``; an underscore becomes a hyphen.
    """
    values = {
        "app.kubernetes.io/managed-by": "pulumi",
        WORKLOAD_LABEL: workload,
        f"{DOMAIN}/hospital": hospital,
        f"{DOMAIN}/zone": zone,
        **_own(more),
    }
    return {name: value for name, value in values.items() if value}


def notes(**values: str) -> dict[str, str]:
    """Return annotations of the project; an underscore becomes a hyphen."""
    return _own(values)


def _own(values: dict[str, str]) -> dict[str, str]:
    return {f"{DOMAIN}/{name.replace('_', '-')}": value for name, value in values.items()}
