"""Hospital name: part of pseudonyms, folders, keys, databases and names in the registry."""

import re
from typing import Annotated

from pydantic import Field

from model.errors import UserError

PATTERN = r"^[a-z](-?[a-z0-9])*$"
MOST_CHARACTERS = 24

HospitalName = Annotated[str, Field(pattern=PATTERN, max_length=MOST_CHARACTERS)]
"""Name of a hospital, as a stack's settings accept it."""


def is_hospital(name: str) -> bool:
    """Return whether a text is a name of a hospital."""
    return len(name) <= MOST_CHARACTERS and re.fullmatch(PATTERN, name, re.ASCII) is not None


def check_hospital(name: str) -> None:
    """Refuse a text that is not a name of a hospital."""
    if not is_hospital(name):
        raise UserError(
            "--hospital must be lower-case letters, digits and single hyphens, "
            f"at most {MOST_CHARACTERS}, such as north."
        )
