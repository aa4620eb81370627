"""A stack whose fields are set in its overlay without the engine."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from local.paths import Home
from local.stack.settings import HOSPITALS
from local.stack.stack import Stack

CONTENT = "config:\n  healthcare-mlops:hospitals:\n    - name: north\n    - name: south\n      release: v1@abc\n"
"""A project's file with two hospitals."""


class FileStack(Stack):
    """A stack whose fields are set in its overlay without the engine."""

    def set_field(self, hospital: str, field: str, value: str) -> None:
        content = self._content()
        section: Any = content["config"][HOSPITALS].setdefault(hospital, {})
        names = re.findall(r"[^.\[\]]+|\[\d+\]", field)
        for name, following in pairwise(names):
            section = _child(section, name, [] if following.startswith("[") else {})
        section[names[-1]] = value
        self.overlay.write_text(yaml.safe_dump(content))

    def set_fields(self, hospital: str, fields: Mapping[str, str]) -> None:
        for field, value in fields.items():
            self.set_field(hospital, field, value)

    def unset_field(self, hospital: str, field: str) -> None:
        content = self._content()
        section = content["config"][HOSPITALS].setdefault(hospital, {})
        *parents, last = field.split(".")
        for name in parents:
            section = section[name]
        del section[last]
        self.overlay.write_text(yaml.safe_dump(content))

    def _content(self) -> dict[str, Any]:
        self.overlay.parent.mkdir(exist_ok=True)
        if not self.overlay.exists():
            return {"config": {HOSPITALS: {}}}
        content: dict[str, Any] = yaml.safe_load(self.overlay.read_text())
        return content


def file_stack(home: Home, folder: Path, entries: list[dict[str, Any]]) -> FileStack:
    """Return a stack with hospitals' entries in its file."""
    config = folder / "Pulumi.dev.yaml"
    config.write_text(yaml.safe_dump({"config": {HOSPITALS: entries}}))
    return FileStack(home, config=config)


def _child(section: Any, name: str, empty: Any) -> Any:
    if isinstance(section, dict):
        return section.setdefault(name, empty)
    position = int(name.strip("[]"))
    section.extend([empty] * (position + 1 - len(section)))
    return section[position]
