"""Hospital name: part of pseudonyms, folders, keys and names in the registry."""

import re

from model.errors import UserError

_HOSPITAL = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)


def check_hospital(name: str) -> None:
    """Refuse a name that would not do everywhere."""
    if not _HOSPITAL.fullmatch(name):
        raise UserError("--hospital must be a short name in lower case, such as north.")
