"""A row of the gates' table: its fields are known and do not change."""

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A strict, immutable row."""

    model_config = ConfigDict(extra="forbid", frozen=True)
