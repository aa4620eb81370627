"""A stack's configuration as data: its file in the project with the engine's overlay of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from policy_pack.errors import PackError
from policy_pack.settings import FOLDER

PROJECT = FOLDER.parent
OVERLAY = "overlay"
"""The folder of the engine's own files of stacks, in the project's (``stackConfigDir`` of Pulumi.yaml)."""
_PREFIX = "healthcare-mlops:"
_HOSPITALS = "hospitals"


def of_engine(stack: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stack's configuration from what the engine tells; a stack without a file in the project has no more."""
    file = PROJECT / f"Pulumi.{stack}.yaml"
    return combined(_read(file) if file.is_file() else {}, config)


def of_file(path: Path) -> dict[str, Any]:
    """Return the configuration that a stack's file (``Pulumi.<stack>.yaml``) tells, with the overlay beside it.

    Raises
    ------
    PackError
        When a file cannot be read.
    """
    overlay = path.parent / OVERLAY / path.name
    return combined(_read(path), _read(overlay) if overlay.is_file() else {})


def combined(written: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return both as one, without the project's prefix: values of the overlay go first, hospitals' fields by name."""
    found, over = _plain(written), _plain(overlay)
    by_name = over.get(_HOSPITALS)
    if isinstance(by_name, Mapping):
        over[_HOSPITALS] = [{**entry, **(by_name.get(entry["name"]) or {})} for entry in found.get(_HOSPITALS) or ()]
    return {**found, **over}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        raise PackError(f"{path} cannot be read; name the stack's configuration file.") from None
    found: Mapping[str, Any] = (written or {}).get("config") or {}
    return found


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(_PREFIX): _value(value) for key, value in config.items()}


def _value(value: Any) -> Any:
    """Return a configuration value; the engine gives maps and lists as JSON text."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
