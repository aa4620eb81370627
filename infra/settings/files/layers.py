"""Files of a stack's settings: the project's file of the stack, and the engine's overlay of it.

People edit ``Pulumi.<stack>.yaml`` in the project's folder, which this module reads. The engine writes to a file of its
own (``stackConfigDir`` of Pulumi.yaml): the salt or key of the stack's secrets, and values of ``pulumi config set``,
such as the release of a hospital. Values of the overlay take precedence.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.settings.errors import SettingPath, SettingsError, dotted
from infra.settings.releases import ReleaseRole

OVERLAY = "overlay"
"""Folder of the engine's files of stacks."""
HOSPITALS = "hospitals"
_NAME_RELEASES = (*ReleaseRole, "models")
_CONFIG = "config"
_NAME = "name"


@dataclass(frozen=True)
class Layers:
    """Settings of a stack as written, with the file of each.

    Parameters
    ----------
    values
        The settings, without the project's prefix.
    file, overlay
        The names of the project's file and of the engine's.
    overlaid
        Path of each setting of the overlay, with its name in the overlay.
    """

    values: Mapping[str, Any]
    file: str
    overlay: str = ""
    overlaid: Mapping[SettingPath, str] = field(default_factory=dict)

    def locate(self, path: SettingPath) -> tuple[str, str]:
        """Return the file of a setting and its name there."""
        for length in range(len(path), 0, -1):
            written = self.overlaid.get(path[:length])
            if written is not None:
                return self.overlay, dotted((written, *path[length:]))
        return self.file, dotted(path)

    def place(self, path: SettingPath) -> str:
        """Return the file of a setting and its name there, for a message."""
        file, name = self.locate(path)
        return f"{file}: {name}"


def layers(root: Path, *, stack: str, project: str, engine: Mapping[str, Any]) -> Layers:
    """Return the settings of a stack from its file in the project, with the engine's values.

    Parameters
    ----------
    root
        The project's folder. A stack without a file there gets all settings from the engine.
    stack, project
        Names of the stack and of the project.
    engine
        The engine's values, without the project's prefix.

    Raises
    ------
    SettingsError
        If the file cannot be read or contains values of the engine, or the overlay names an unknown hospital.
    """
    name = f"Pulumi.{stack}.yaml"
    written = _read(root / name, project)
    if written is None:
        return Layers(engine, name)
    overlay = f"{OVERLAY}/{name}"
    values, overlaid = dict(written), dict[SettingPath, str]()
    for key, value in engine.items():
        if key == HOSPITALS and isinstance(value, Mapping):
            values[HOSPITALS] = _entries(written.get(HOSPITALS), value, (name, overlay), overlaid)
        else:
            values[key] = value
            overlaid[(key,)] = key
    return Layers(values, name, overlay, overlaid)


def _entries(
    written: object, overlay: Mapping[str, Any], files: tuple[str, str], overlaid: dict[SettingPath, str]
) -> list[Any]:
    """Return the hospitals' entries with the overlay's values by name."""
    entries = list(written) if isinstance(written, list) else []
    named = [(place, entry.get(_NAME)) for place, entry in enumerate(entries) if isinstance(entry, Mapping)]
    places = {name: place for place, name in named if isinstance(name, str)}
    faults = [fault for name, setting in overlay.items() for fault in _faults(name, setting, entries, places, files)]
    if faults:
        raise SettingsError("\n".join(f"{files[1]}: {fault}." for fault in faults))
    for name, setting in overlay.items():
        place = places[name]
        entries[place] = {**entries[place], **setting}
        overlaid |= {(HOSPITALS, place, key): f"{HOSPITALS}.{name}.{key}" for key in setting}
    return entries


def _faults(
    name: str, overlay: object, entries: list[Any], places: Mapping[str, int], files: tuple[str, str]
) -> list[str]:
    """Return a sentence for each fault in the overlay of a hospital."""
    where = f"{HOSPITALS}.{name}"
    if name not in places:
        return [f"{where} is not a hospital of {files[0]}; check the name, or remove it with pulumi config rm --path"]
    if not isinstance(overlay, Mapping):
        return [f"{where} must be a map of settings, such as release: v1@3f9c2d4be071"]
    faults = []
    if _NAME in overlay:
        faults.append(f"{where}.{_NAME} cannot be changed here; change it in {files[0]}, or remove it")
    faults += [
        f"{where}.{role} is also in the entry of {files[0]}; remove one of the two"
        # What the overlay says of them would hide what the entry says.
        for role in _NAME_RELEASES
        if role in overlay and entries[places[name]].get(role)
    ]
    return faults


class _Loader(yaml.SafeLoader):
    """YAML loader that rejects duplicate keys, as the engine does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping, or raise an error for a duplicate key."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f"duplicate key {twice}", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _read(file: Path, project: str) -> dict[str, Any] | None:
    """Return the settings in the project's file of a stack, or None without a file."""
    try:
        content = _Loader(file.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        return None
    except yaml.MarkedYAMLError as fault:
        line = f" in line {fault.problem_mark.line + 1}" if fault.problem_mark else ""
        raise SettingsError(f"{file.name} is not YAML{line}: {fault.problem}; correct it.") from None
    except (OSError, ValueError) as fault:
        raise SettingsError(f"{file.name} cannot be read ({type(fault).__name__}); correct it.") from None
    if not isinstance(content, Mapping) or not isinstance(content.get(_CONFIG), Mapping):
        raise SettingsError(f"{file.name}: config is missing; add the settings under it.")
    faults = [f"{key} belongs to the engine; move it to {OVERLAY}/{file.name}" for key in content if key != _CONFIG] + [
        f"{_CONFIG}.{key} does not begin with {project}:; move it to {OVERLAY}/{file.name}, which the engine reads"
        for key in content[_CONFIG]
        if not str(key).startswith(f"{project}:")
    ]
    if faults:
        raise SettingsError("\n".join(f"{file.name}: {fault}." for fault in faults))
    return {str(key).removeprefix(f"{project}:"): value for key, value in content[_CONFIG].items()}
