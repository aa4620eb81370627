"""How things are called, so that a name alone tells environment, hospital and purpose."""

from infra.settings.values import DataClass

PROJECT = "hmlops"
DOMAIN = "healthcare-mlops"
OWNER = "platform"
SHARED = "shared"
BREAK_GLASS = "break-glass"
WORKLOAD_LABEL = "app.kubernetes.io/name"
ROLE_ANNOTATION = f"{DOMAIN}/role-arn"


def stem(environment: str) -> str:
    """Return how the names of an environment begin, and how the one thing of its kind is called."""
    return f"{PROJECT}-{environment}"


def bucket(environment: str, hospital: str, data: DataClass) -> str:
    """Return the name of a hospital's bucket."""
    return f"{stem(environment)}-{hospital}-{data}"


def key_alias(environment: str, hospital: str, data: DataClass) -> str:
    """Return the alias of the key that encrypts a hospital's data of one class."""
    return f"alias/{bucket(environment, hospital, data)}"


def role(environment: str, hospital: str, workload: str) -> str:
    """Return the name of a workload's IAM role."""
    return f"{stem(environment)}-{hospital}-{workload}"


def vault_role(hospital: str, workload: str) -> str:
    """Return the name of a workload's role, and policy, in Vault."""
    return f"{hospital}-{workload}"


def certificate_path(hospital: str, workload: str) -> str:
    """Return where a hospital's authority in Vault signs a workload's certificates."""
    return f"{hospital}/pki/sign/{workload}"


def namespace(hospital: str, zone: str) -> str:
    """Return the namespace of a hospital's zone."""
    return f"{hospital}-{zone}"


def holds_phi(data: DataClass | None) -> bool:
    """Return whether data of a class is about patients; pseudonymised data is, until an expert determined otherwise."""
    return data is not None and data is not DataClass.MODELS


def tags(
    environment: str,
    hospital: str | None = None,
    data: DataClass | None = None,
    *,
    phi: bool | None = None,
    **more: str,
) -> dict[str, str]:
    """Return the tags of an AWS resource: whose it is and what it holds.

    Parameters
    ----------
    environment, hospital, data
        Whose it is, and the class of the data that it holds.
    phi
        Whether it holds data about patients, where its class does not tell.
    **more
        Further tags, such as ``backup="daily"``; an underscore becomes a hyphen.
    """
    known: dict[str, str | None] = {
        "environment": environment,
        "owner": OWNER,
        "phi": str(holds_phi(data) if phi is None else phi).lower(),
        "hospital": hospital,
        "data-class": data,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return {f"{DOMAIN}/{name}": str(value) for name, value in known.items() if value}


def labels(
    hospital: str | None = None, zone: str | None = None, workload: str | None = None, **more: str
) -> dict[str, str]:
    """Return the labels of a Kubernetes object.

    Parameters
    ----------
    hospital, zone, workload
        Whose it is.
    **more
        Further labels of the project, such as ``owner``; an underscore becomes a hyphen.
    """
    known = {
        "app.kubernetes.io/managed-by": "pulumi",
        WORKLOAD_LABEL: workload,
        f"{DOMAIN}/hospital": hospital,
        f"{DOMAIN}/zone": zone,
        **_own(more),
    }
    return {name: value for name, value in known.items() if value}


def notes(**known: str) -> dict[str, str]:
    """Return annotations of the project; an underscore becomes a hyphen."""
    return _own(known)


def _own(known: dict[str, str]) -> dict[str, str]:
    return {f"{DOMAIN}/{name.replace('_', '-')}": value for name, value in known.items()}
