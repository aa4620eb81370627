"""Reads the settings of the current stack, validates them and reports faults."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from infra.settings.cluster import KINDS, Settings
from infra.settings.environment import ClusterKind
from infra.settings.errors import REFERENCE, SettingsError, sentence
from infra.settings.fields import has_setting
from infra.settings.files.layers import Layers, layers

_CLUSTER = "cluster"
# The engine hands over other settings as JSON.
_TEXT = ("environment", "tier", _CLUSTER, "account", "region", "secondRegion", "imageLock", "alarms", "deployer")


def load(root: Path) -> Settings:
    """Return the settings of the current stack.

    Parameters
    ----------
    root
        The project's folder, which contains the stack's file and the image lock file.

    Raises
    ------
    SettingsError
        One sentence for each fault: where it is, and how to correct it.
    """
    config = pulumi.Config()
    return settings_of(layers(root, stack=pulumi.get_stack(), project=config.name, engine=_engine(config)), root=root)


def settings_from(written: Mapping[str, Any], *, where: str, root: Path) -> Settings:
    """Return validated settings that are all written in one file, ``where``."""
    return settings_of(Layers(written, where), root=root)


def settings_of(written: Layers, *, root: Path) -> Settings:
    """Return validated settings.

    Raises
    ------
    SettingsError
        One sentence for each fault: where it is, and how to correct it.
    """
    kind = written.values.get(_CLUSTER, ClusterKind.LOCAL)
    model = KINDS.get(str(kind))
    if model is None:
        *others, last = KINDS
        kinds = f"{', '.join(others)} or {last}"
        raise SettingsError(f"{written.place((_CLUSTER,))} {str(kind)!r} is not a kind of cluster; write {kinds}.")
    try:
        return model.model_validate(written.values, by_name=False, context=root)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise SettingsError("\n".join(_sentence(fault, written, str(kind)) for fault in faults)) from None


def _sentence(fault: ErrorDetails, written: Layers, kind: str) -> str:
    path = fault["loc"]
    if not path and fault["type"] == "value_error":
        return "\n".join(f"{written.file}: {line}." for line in str(fault["ctx"]["error"]).splitlines())
    others = [model for model in KINDS.values() if model is not KINDS[kind]]
    if fault["type"] == "extra_forbidden" and any(has_setting(model, path) for model in others):
        return f"{written.place(path)} is not a setting of cluster {kind}; remove it."
    if fault["type"] == "missing" and not all(has_setting(model, path) for model in others):
        return f"{written.place(path)} is missing, which cluster {kind} needs; add it, as {REFERENCE} describes."
    return sentence(fault, written.locate)


def _engine(config: pulumi.Config) -> dict[str, Any]:
    prefix = f"{config.name}:"
    values: dict[str, Any] = {}
    for full in pulumi.runtime.config.CONFIG.get():
        if not full.startswith(prefix):
            continue
        key = full.removeprefix(prefix)
        text = config.require(key)
        try:
            values[key] = text if key in _TEXT else json.loads(text)
        except ValueError:
            values[key] = text
    return values
