"""Tables in YAML that the pack reads: its own, and those of the program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from policy_pack.errors import PackError

T = TypeVar("T")
# What a function that reads plain values raises where these have another form.
_FORM_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError)


def read(form: Callable[..., T], *paths: Path) -> T:
    """Read tables, and return what a function makes of them.

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
    documents = [_document(path) for path in paths]
    names = " or ".join(str(path) for path in paths)
    try:
        return form(*documents)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise PackError(f"{names}: {place}: {first['msg']}; correct the table.") from None
    except _FORM_ERRORS as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise PackError(f"{names} is not a table of this form ({reason}); correct the table.") from None


def _document(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); the policy pack needs this table.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise PackError(f"{path} is not YAML; correct the table.") from None
