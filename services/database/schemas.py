"""Names of a hospital's databases, schemas and group roles."""

from enum import StrEnum

OWNER = "owner"


class Schema(StrEnum):
    """A schema, in the database of the same name."""

    CARE = "care"
    PLANNING = "planning"
    AUDIT = "audit"
    WAREHOUSE = "warehouse"


def database_name(hospital: str, schema: Schema) -> str:
    """Return the name of the database that holds a hospital's schema."""
    return f"{hospital}-{schema}"


def role_name(hospital: str, role: str) -> str:
    """Return the name of a hospital's group role."""
    return f"{hospital}-{role}"
