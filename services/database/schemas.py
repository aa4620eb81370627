"""Names of a hospital's databases, schemas and group roles."""

from enum import StrEnum

OWNER = "owner"


class Schema(StrEnum):
    """A schema, in the database of the same name."""

    CARE = "care"
    PLANNING = "planning"
    AUDIT = "audit"
    WAREHOUSE = "warehouse"


# Vault connects to its database: roles are of the whole server.
VAULT_SCHEMA = Schema.PLANNING


def vault_role(hospital: str) -> str:
    """Return the name of Vault's login for a hospital."""
    return f"vault_{hospital}"


def database_name(hospital: str, schema: Schema) -> str:
    """Return the name of the database that holds a hospital's schema."""
    return f"{hospital}-{schema}"


def role_name(hospital: str, role: str) -> str:
    """Return the name of a hospital's group role."""
    return f"{hospital}-{role}"
