"""Paths of requests in the tables: ``{model}`` in one stands for the name of a further model, which requests ask."""

import re

MODEL = "{model}"
_NAME = re.compile(r"[a-z](-?[a-z0-9])*")


def is_below(declared: str, path: str) -> bool:
    """Return whether a path is a declared one or below it."""
    names, parts = declared.split("/"), path.split("/")
    return len(parts) >= len(names) and all(map(_fits, names, parts))


def is_same(declared: str, path: str) -> bool:
    """Return whether a path is a declared one."""
    return path.count("/") == declared.count("/") and is_below(declared, path)


def model_of(declared: str, path: str) -> str:
    """Return the further model that requests of a path ask; empty where the declared path names none."""
    names, parts = declared.split("/"), path.split("/")
    if MODEL not in names:
        return ""
    place = names.index(MODEL)
    return parts[place] if len(parts) > place and parts[:place] == names[:place] else ""


def _fits(name: str, part: str) -> bool:
    return _NAME.fullmatch(part) is not None if name == MODEL else part == name
