"""The error for a fault in the stack's settings, and its sentences."""

from collections.abc import Callable

import pulumi
from pydantic_core import ErrorDetails

REFERENCE = "docs/settings.md"

SettingPath = tuple[int | str, ...]

_A_MAP = f"must be a map of settings; see {REFERENCE}"
_A_WHOLE_NUMBER = "must be a whole number"
_TRUE_OR_FALSE = "must be true or false"
_FAULTS = {
    "missing": f"is missing; add it, as {REFERENCE} describes",
    "value_error": "{error}",
    "model_type": _A_MAP,
    "model_attributes_type": _A_MAP,
    "dict_type": _A_MAP,
    "mapping_type": _A_MAP,
    "tuple_type": f"must be a list; see {REFERENCE}",
    "too_short": "must have at least {min_length} item",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "bool_type": _TRUE_OR_FALSE,
    "bool_parsing": _TRUE_OR_FALSE,
    "int_type": _A_WHOLE_NUMBER,
    "int_parsing": _A_WHOLE_NUMBER,
    "int_from_float": _A_WHOLE_NUMBER,
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""Sentence of each fault after the name of the setting, with fields of pydantic's context."""


class SettingsError(pulumi.RunError):
    """A fault in the stack's settings; the engine prints its sentences without a stack trace."""


def dotted(path: SettingPath) -> str:
    """Return the name of a setting in messages, such as ``hospitals[0].release``."""
    text = ""
    for part in path:
        name = str(part) if str(part).isprintable() else repr(part)
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else name
    return text or "the configuration"


def sentence(fault: ErrorDetails, locate: Callable[[SettingPath], tuple[str, str]]) -> str:
    """Return the sentence for a fault that pydantic reports; ``locate`` returns the file and the name of a setting."""
    file, name = locate(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{file}: unknown setting {name}; check the spelling or remove it."
    template = _FAULTS.get(fault["type"])
    if template is None:
        return f"{file}: {name} cannot be used: {fault['msg'][0].lower()}{fault['msg'][1:]}; correct it."
    return f"{file}: {name} {template.format_map(fault.get('ctx', {}))}."
