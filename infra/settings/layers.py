"""Where a stack's settings are written: the project's file of the stack, and the engine's overlay of it.

``Pulumi.<stack>.yaml`` in the project's folder is for people, and this program reads it. The engine writes into a file
of its own (``stackConfigDir`` of Pulumi.yaml): the salt or key of the stack's secrets, and what ``pulumi config set``
changes, such as the release of a hospital. Its values go before those of the project's file.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.settings.errors import SettingsError
from infra.settings.schema import HospitalConfig

OVERLAY = "overlay"
"""The folder of the engine's own files of stacks."""
HOSPITALS = "hospitals"
_CONFIG = "config"
_NAME = "name"

Path_ = tuple[int | str, ...]


@dataclass(frozen=True)
class Layers:
    """A stack's settings as they are written, and in which file each of them is.

    Parameters
    ----------
    values
        The settings, without the project's prefix.
    file, overlay
        The names of the project's file and of the engine's.
    overlaid
        Path of each setting that the overlay has, with the place as the overlay writes it.
    """

    values: Mapping[str, Any]
    file: str
    overlay: str = ""
    overlaid: Mapping[Path_, str] = field(default_factory=dict)

    def place(self, path: Path_) -> str:
        """Return the file of a setting and where it is in there."""
        for length in range(len(path), 0, -1):
            written = self.overlaid.get(path[:length])
            if written is not None:
                return f"{self.overlay}: {dotted((written, *path[length:]))}"
        return f"{self.file}: {dotted(path)}"


def dotted(path: Path_) -> str:
    """Return a path as it is written in messages."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the configuration"


def layers(root: Path, *, stack: str, project: str, engine: Mapping[str, Any]) -> Layers:
    """Return the settings of a stack from its file in the project and from the engine's values.

    Parameters
    ----------
    root
        The project's folder. A stack without a file there has all of its settings from the engine.
    stack, project
        Their names.
    engine
        The engine's values, without the project's prefix.

    Raises
    ------
    SettingsError
        When the file cannot be read, holds what is the engine's, or the overlay names what the file does not have.
    """
    name = f"Pulumi.{stack}.yaml"
    written = _read(root / name, project)
    if written is None:
        return Layers(engine, name)
    overlay = f"{OVERLAY}/{name}"
    values, overlaid = dict(written), dict[Path_, str]()
    for key, value in engine.items():
        if key == HOSPITALS and isinstance(value, Mapping):
            values[HOSPITALS] = _entries(written.get(HOSPITALS), value, (name, overlay), overlaid)
        else:
            values[key] = value
            overlaid[(key,)] = key
    return Layers(values, name, overlay, overlaid)


def _entries(
    written: object, overlay: Mapping[str, Any], files: tuple[str, str], overlaid: dict[Path_, str]
) -> list[Any]:
    """Return the hospitals' entries with what the overlay says of them by name."""
    entries = list(written) if isinstance(written, list) else []
    places = {entry.get(_NAME): place for place, entry in enumerate(entries) if isinstance(entry, Mapping)}
    faults = [fault for name, given in overlay.items() for fault in _faults(name, given, entries, places, files)]
    if faults:
        raise SettingsError("\n".join(f"{files[1]}: {fault}." for fault in faults))
    for name, given in overlay.items():
        place = places[name]
        entries[place] = {**entries[place], **given}
        overlaid |= {(HOSPITALS, place, key): f"{HOSPITALS}.{name}.{key}" for key in given}
    return entries


def _faults(
    name: str, given: object, entries: list[Any], places: Mapping[Any, int], files: tuple[str, str]
) -> list[str]:
    """Say what is wrong with the overlay of one hospital."""
    where = f"{HOSPITALS}.{name}"
    if name not in places:
        return [f"{where} is not a hospital of {files[0]}; check the name, or remove it with pulumi config rm --path"]
    if not isinstance(given, Mapping):
        return [f"{where} must be a map of settings, such as release: v1@3f9c2d4be071"]
    known = {info.alias or key for key, info in HospitalConfig.model_fields.items()} - {_NAME}
    found = [
        f"{where}.{key} is not a setting that a hospital's entry can have here; check the spelling or remove it"
        for key in given
        if key not in known
    ]
    if "release" in given and entries[places[name]].get("release"):
        found.append(f"{where}.release is also in the entry of {files[0]}; remove one of the two")
    return found


class _Loader(yaml.SafeLoader):
    """YAML in which a key may stand once, as for the engine."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping, or refuse a key that it has twice."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.MarkedYAMLError(problem=f"{twice} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _read(file: Path, project: str) -> dict[str, Any] | None:
    """Return what the project's file of a stack says; nothing where there is none."""
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
    faults = [f"{key} is the engine's; move it to {OVERLAY}/{file.name}" for key in content if key != _CONFIG] + [
        f"{_CONFIG}.{key} does not begin with {project}:; move it to {OVERLAY}/{file.name}, which the engine reads"
        for key in content[_CONFIG]
        if not str(key).startswith(f"{project}:")
    ]
    if faults:
        raise SettingsError("\n".join(f"{file.name}: {fault}." for fault in faults))
    return {str(key).removeprefix(f"{project}:"): value for key, value in content[_CONFIG].items()}
