"""Tiers: the differences between development and production environments, from ``tiers.yaml``."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

TABLE = Path(__file__).with_name("tiers.yaml")
TierName = Literal["development", "production"]


@dataclass(frozen=True)
class Tier:
    """A tier, a column of ``tiers.yaml``; the reasons in it describe the fields."""

    name: TierName
    protect_data: bool
    gates_profile: Literal["clinical", "development", "demonstration"]
    key_deletion_days: int
    lock_records: bool
    replicate: bool
    require_contact: bool
    operators_read_data: bool
    least_servers: int


@cache
def table() -> dict[str, dict[str, Any]]:
    """Return the table: for each field the reason and a value for each tier."""
    return dict(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@cache
def tier(name: TierName) -> Tier:
    """Return a tier."""
    return TypeAdapter(Tier).validate_python({"name": name, **{field: row[name] for field, row in table().items()}})
