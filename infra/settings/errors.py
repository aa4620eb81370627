"""The error for a fault in the stack's settings, and its sentences."""

from collections.abc import Callable

import pulumi
from pydantic_core import ErrorDetails

REFERENCE = "docs/settings.md"

SettingPath = tuple[int | str, ...]


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
    match fault["type"]:
        case "extra_forbidden":
            return f"{file}: unknown setting {name}; check the spelling or remove it."
        case "missing":
            return f"{file}: {name} is missing; add it, as {REFERENCE} describes."
        case "value_error":
            return f"{file}: {name} {fault['ctx']['error']}."
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return f"{file}: {name} must be a map of settings; see {REFERENCE}."
        case "tuple_type":
            return f"{file}: {name} must be a list; see {REFERENCE}."
        case _:
            return f"{file}: {name} cannot be used: {fault['msg'][0].lower()}{fault['msg'][1:]}; correct it."
