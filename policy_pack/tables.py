"""Files in YAML or JSON that the pack reads: its settings, its own tables, and those of the program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from policy_pack.errors import PackError

T = TypeVar("T")
# What a function that reads plain values raises where these have another form.
_FORM_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)


def read(form: Callable[..., T], *paths: Path) -> T:
    """Read files, and return what a function makes of them.

    Parameters
    ----------
    form
        The function, such as `pydantic.TypeAdapter.validate_python`; its arguments are the contents of the files.
    paths
        The files.

    Raises
    ------
    PackError
        When a file cannot be read, is not YAML, or has another form; the message names the file and the place.
    """
    return formed(form, " or ".join(str(path) for path in paths), *(document(path) for path in paths))


def document(path: Path) -> Any:
    """Return the content of a file as plain values; raises `PackError` when it cannot be read or is not YAML."""
    try:
        # libyaml's parser takes a tenth of the time. A deeply nested text would end the process: none of a stack's is
        # given to it.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); the policy pack needs this file.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise PackError(f"{path} is not YAML; correct the file.") from None


def formed(form: Callable[..., T], source: str, *documents: Any) -> T:
    """Return what a function makes of plain values; ``source`` is their name in the message of a `PackError`."""
    try:
        return form(*documents)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise PackError(f"{source}: {place}: {message[:1].lower()}{message[1:]}; correct the file.") from None
    except _FORM_ERRORS as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise PackError(f"{source} does not have the form of this file ({reason}); correct the file.") from None
