"""Group roles of PostgreSQL (``services/database/grants.yaml``) of which Vault gives logins."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

TABLE = Path(__file__).parents[2] / "services" / "database" / "grants.yaml"


class GroupRole(BaseModel):
    """A group role: whether Vault gives logins that are members, and by which role of Vault."""

    # What its members may do is for the migration and the policy pack.
    model_config = ConfigDict(extra="ignore", frozen=True)

    login: bool = True
    vault_role: str | None = None


@cache
def login_roles() -> dict[str, str]:
    """Return the group role by role of Vault."""
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    roles = TypeAdapter(dict[str, GroupRole]).validate_python(table["roles"])
    return {row.vault_role or name: name for name, row in sorted(roles.items()) if row.login}
