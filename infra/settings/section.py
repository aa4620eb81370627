"""Base class of the sections of a stack's settings."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A section of a stack's settings: immutable, with keys in camel case and no unknown ones."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=True
    )


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections in the type of a field, such as that of ``tuple[Hospital, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_in(argument)


def has_setting(section: type[Section], path: Sequence[int | str]) -> bool:
    """Return whether a section has a setting at a path of keys and list positions."""
    keys = [part for part in path if isinstance(part, str)]
    sections = [section]
    for key in keys:
        fields = [field for each in sections for field in each.model_fields.values() if field.alias == key]
        if not fields:
            return False
        sections = [inner for field in fields for inner in sections_in(field.annotation)]
    return True
