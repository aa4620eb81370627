"""Reference of the settings, docs/settings.md, which ``make docs`` generates from their types."""

import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from infra.settings.cluster import KINDS
from infra.settings.environment import Environment
from infra.settings.fields import Section, Written, sections_in

_INTRODUCTION = """\
<!-- Generated from infra/settings by `make docs`. -->
# Settings of a stack

`Pulumi.<stack>.yaml` in the project's folder contains a stack's settings, each with the prefix `healthcare-mlops:`.
The engine's overlay, `overlay/Pulumi.<stack>.yaml`, contains what `pulumi config set` changes, such as the release of a
hospital, and takes precedence. A stack with unknown, missing or invalid settings is not deployed: the error says where
they are and how to correct them.
"""


def reference() -> str:
    """Return the text of docs/settings.md."""
    return "\n".join([_INTRODUCTION, *(_page(section, paths) for section, paths in _sections().items())])


def _sections() -> dict[type[Section], list[str]]:
    """Return each section with the paths at which it is, top to bottom."""
    sections: dict[type[Section], list[str]] = {Environment: []}
    waiting: list[tuple[type[Section], str]] = [(Environment, "")]
    while waiting:
        section, path = waiting.pop(0)
        for field in _fields(section).values():
            for inner in _inner(section, field):
                place = f"{path}.{field.alias}".lstrip(".") + ("[]" if _is_list(field.annotation) else "")
                if place not in sections.setdefault(inner, []):
                    sections[inner].append(place)
                    waiting.append((inner, place))
    return sections


def _fields(section: type[Section]) -> Mapping[str, FieldInfo]:
    return section.model_fields


def _inner(section: type[Section], field: FieldInfo) -> list[type[Section]]:
    """Return the sections of a field."""
    variants = _by_kind(field).values() if section is Environment else [field]
    return list(dict.fromkeys(inner for variant in variants for inner in sections_in(variant.annotation)))


def _by_kind(field: FieldInfo) -> dict[str, FieldInfo]:
    """Return a field at the top for each kind of cluster; the field ``cluster`` itself is the same for all."""
    if field.alias == "cluster":
        return dict.fromkeys(KINDS, field)
    return {
        kind: next(variant for variant in _fields(model).values() if variant.alias == field.alias)
        for kind, model in KINDS.items()
    }


def _page(section: type[Section], paths: list[str]) -> str:
    title = "All settings" if section is Environment else section.__name__
    lines = [f"## {title}", ""]
    if paths:
        summary = (section.__doc__ or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")
        lines += [f"{summary} Used as {_joined([f'`{path}`' for path in paths], 'and')}.", ""]
    lines += ["| setting | value | default | description |", "|---|---|---|---|"]
    lines += [_row(section, field) for field in _fields(section).values()]
    return "\n".join(lines) + "\n"


def _row(section: type[Section], field: FieldInfo) -> str:
    variants = _by_kind(field) if section is Environment else {"": field}
    value = _merged({kind: _value(variant) for kind, variant in variants.items()})
    default = _merged({kind: _default(variant) for kind, variant in variants.items()})
    cells = (f"`{field.alias}`", value, default, field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _merged(texts: Mapping[str, str]) -> str:
    """Return a text for all kinds of cluster, or each text with its kinds."""
    kinds = {text: [f"`{kind}`" for kind in texts if texts[kind] == text] for text in texts.values()}
    if len(kinds) == 1:
        return next(iter(kinds))
    return "; ".join(f"{text} for cluster {_joined(names, 'or')}" for text, names in kinds.items())


def _value(field: FieldInfo) -> str:
    """Return what to write for a field, or the link to its section."""
    links = [f"[{inner.__name__}](#{inner.__name__.lower()})" for inner in sections_in(field.annotation)]
    if not links:
        return _form(field.annotation, field.metadata)
    return f"list of {links[0]}" if _is_list(field.annotation) else links[0]


def _default(field: FieldInfo) -> str:
    """Return a default as a user would write it; of a section, its own table has the defaults."""
    match field.default:
        case _ if field.is_required():
            return "required"
        case None | () | {}:
            return ""
        case Section() as section if all(not inner.is_required() for inner in _fields(type(section)).values()):
            return ""
        case Section() as section:
            pairs = section.model_dump(mode="json", by_alias=True)
            return ", ".join(f"`{key}: {value}`" for key, value in pairs.items())
        case tuple() as values:
            return f"`[{', '.join(map(str, values))}]`"
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case other:
            return f"`{other}`"


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _form(annotation: Any, metadata: list[Any] | tuple[Any, ...]) -> str:
    """Return what to write for a type."""
    written = next((each for each in metadata if isinstance(each, Written)), None)
    if written:
        return written.form
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return _joined([_form(argument, metadata) for argument in arguments if argument is not NoneType], "or")
    if origin is tuple:
        return f"list: {_form(arguments[0], ())}"
    if origin is Literal:
        return _joined([f"`{argument}`" for argument in arguments], "or")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"map from {_form(arguments[0], ())} to {_form(arguments[1], ())}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _joined([f"`{member.value}`" for member in annotation], "or")
    if annotation is bool:
        return "`true` or `false`"
    bounds = {type(bound): bound for bound in metadata}
    return f"{bounds[Ge].ge} to {bounds[Le].le}"


def _joined(words: list[str], conjunction: str) -> str:
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def undescribed() -> Iterator[str]:
    """Yield the settings without a description."""
    for section in _sections():
        for name, field in _fields(section).items():
            if not field.description:
                yield f"{section.__name__}.{name}"


if __name__ == "__main__":
    sys.stdout.write(reference())
