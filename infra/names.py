"""How things are called, so that a name alone tells environment, hospital and purpose."""

from infra.settings import DataClass

PROJECT = "hmlops"
DOMAIN = "healthcare-mlops"
WORKLOAD_LABEL = "app.kubernetes.io/name"
ROLE_ANNOTATION = f"{DOMAIN}/role-arn"


def bucket(environment: str, hospital: str, data: DataClass) -> str:
    """Return the name of a hospital's bucket."""
    return f"{PROJECT}-{environment}-{hospital}-{data}"


def key_alias(environment: str, hospital: str, data: DataClass) -> str:
    """Return the alias of the key that encrypts a hospital's data of one class."""
    return f"alias/{bucket(environment, hospital, data)}"


def role(environment: str, hospital: str, workload: str) -> str:
    """Return the name of a workload's IAM role."""
    return f"{PROJECT}-{environment}-{hospital}-{workload}"


def vault_role(hospital: str, workload: str) -> str:
    """Return the name of a workload's role, and policy, in Vault."""
    return f"{hospital}-{workload}"


def namespace(hospital: str, zone: str) -> str:
    """Return the namespace of a hospital's zone."""
    return f"{hospital}-{zone}"


def tags(environment: str, hospital: str | None = None, data: DataClass | None = None) -> dict[str, str]:
    """Return the tags of an AWS resource: whose it is and what it holds."""
    known = {"hospital": hospital, "data-class": data}
    return {
        f"{DOMAIN}/environment": environment,
        **{f"{DOMAIN}/{name}": str(value) for name, value in known.items() if value},
    }


def labels(hospital: str | None = None, zone: str | None = None, workload: str | None = None) -> dict[str, str]:
    """Return the labels of a Kubernetes object."""
    known = {
        "app.kubernetes.io/managed-by": "pulumi",
        WORKLOAD_LABEL: workload,
        f"{DOMAIN}/hospital": hospital,
        f"{DOMAIN}/zone": zone,
    }
    return {name: value for name, value in known.items() if value}
