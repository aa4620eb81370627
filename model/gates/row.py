"""Base class of rows of the gates table: fixed fields, immutable."""

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A strict, immutable row."""

    model_config = ConfigDict(extra="forbid", frozen=True)
