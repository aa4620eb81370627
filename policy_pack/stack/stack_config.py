"""The configuration of a stack: its file in the project, with the overlay that the engine writes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from policy_pack.errors import PackError
from policy_pack.settings import FOLDER

PROJECT = FOLDER.parent
OVERLAY = "overlay"
"""The folder of the engine's configuration files (``stackConfigDir`` in Pulumi.yaml)."""
_PREFIX = "healthcare-mlops:"
_HOSPITALS = "hospitals"


def of_engine(stack: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a stack from its file in the project, if there is one, and from the engine.

    `pulumi policy analyze` passes none; the overlay is then read as well, which the engine passes otherwise.
    """
    file = PROJECT / f"Pulumi.{stack}.yaml"
    if not config and file.is_file():
        return of_file(file)
    return merged(_read(file) if file.is_file() else {}, config)


def of_file(path: Path) -> dict[str, Any]:
    """Return the configuration in a stack's file (``Pulumi.<stack>.yaml``), with its overlay.

    Raises
    ------
    PackError
        When a file cannot be read.
    """
    overlay = path.parent / OVERLAY / path.name
    return merged(_read(path), _read(overlay) if overlay.is_file() else {})


def merged(document: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return both merged, without the prefix of the project: the overlay overrides, hospitals by name and field.

    Raises
    ------
    PackError
        When a hospital is not a map with a name.
    """
    base, overrides = _without_prefix(document), _without_prefix(overlay)
    by_name = overrides.get(_HOSPITALS)
    if isinstance(by_name, Mapping):
        entries = base.get(_HOSPITALS) or ()
        try:
            overrides[_HOSPITALS] = [{**entry, **(by_name.get(entry["name"]) or {})} for entry in entries]
        except (KeyError, TypeError):
            raise PackError("hospitals: each hospital must be a map with a name; correct the configuration.") from None
    return {**base, **overrides}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        raise PackError(f"{path} cannot be read; use the configuration file of the stack.") from None
    base = document.get("config") if isinstance(document, Mapping) else document
    if base is not None and not isinstance(base, Mapping):
        raise PackError(f"{path} has no map config; use the configuration file of the stack.")
    return base or {}


def _without_prefix(config: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).removeprefix(_PREFIX): _value(value) for key, value in config.items()}


def _value(value: Any) -> Any:
    """Return a configuration value; the engine passes maps and lists as JSON text."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
