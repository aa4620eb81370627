"""Property values, some of which are unknown until the update."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn


class NotKnownError(Exception):
    """A check needed a value that is not known yet."""

    def __init__(self, path: str = "") -> None:
        super().__init__(path)
        self.path = path


class Unknown:
    """The value of an output that is not known until other resources are created; any use raises `NotKnownError`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<not known yet>"

    def __copy__(self) -> "Unknown":
        return self

    def __deepcopy__(self, memo: object) -> "Unknown":
        return self

    def __getattr__(self, name: str) -> NoReturn:
        raise NotKnownError

    def __bool__(self) -> NoReturn:
        raise NotKnownError

    def __eq__(self, other: object) -> NoReturn:
        raise NotKnownError

    def __hash__(self) -> NoReturn:
        raise NotKnownError

    def __iter__(self) -> NoReturn:
        raise NotKnownError

    def __len__(self) -> NoReturn:
        raise NotKnownError

    def __contains__(self, item: object) -> NoReturn:
        raise NotKnownError

    def __getitem__(self, key: object) -> NoReturn:
        raise NotKnownError

    def __lt__(self, other: object) -> NoReturn:
        raise NotKnownError

    def __le__(self, other: object) -> NoReturn:
        raise NotKnownError

    def __gt__(self, other: object) -> NoReturn:
        raise NotKnownError

    def __ge__(self, other: object) -> NoReturn:
        raise NotKnownError


UNKNOWN: Final = Unknown()


class View:
    """A value with its path in the resource, immutable; the values below an unknown value are unknown.

    Parameters
    ----------
    raw
        The value, possibly `UNKNOWN`.
    path
        The path, such as ``spec.rules[0].ports``.
    """

    # No frozen dataclass, which takes three times as long to make: a stack of 1,000 resources has 100,000.
    __slots__ = ("path", "raw")

    def __init__(self, raw: Any, path: str = "") -> None:
        self.raw: Final = raw
        self.path: Final = path

    @property
    def value(self) -> Any:
        """The value; raises `NotKnownError` when it is not known yet."""
        if self.raw is UNKNOWN:
            raise NotKnownError(self.path)
        return self.raw

    @property
    def known(self) -> bool:
        """Whether the value is known; values inside it may still be unknown."""
        return self.raw is not UNKNOWN

    @property
    def absent(self) -> bool:
        """Whether there is no value, or an empty text, list or map."""
        return self.value is None or (isinstance(self.raw, str | list | Mapping) and not self.raw)

    def at(self, path: str) -> "View":
        """Return the value at a dotted path below; None where there is none."""
        raw = self.raw
        for key in path.split("."):
            raw = _below(raw, key)
        return View(raw, f"{self.path}.{path}" if self.path else path)

    def key(self, key: str) -> "View":
        """Return the value of one key, which may contain dots."""
        return View(_below(self.raw, key), f"{self.path}.{key}" if self.path else key)

    def items(self) -> list["View"]:
        """Return the items of a list; an unknown list is one unknown item."""
        if self.raw is UNKNOWN:
            return [View(UNKNOWN, f"{self.path}[]")]
        if isinstance(self.raw, list):
            return [View(item, f"{self.path}[{position}]") for position, item in enumerate(self.raw)]
        return [] if self.raw is None else [self]

    def each(self, path: str) -> list["View"]:
        """Return the values at a dotted path below, in which ``name[]`` is each item of a list."""
        views = [self]
        for step in path.split(".") if path else ():
            views = [view.key(step.removesuffix("[]")) for view in views]
            if step.endswith("[]"):
                views = [item for view in views for item in view.items()]
        return views

    def fields(self) -> list[tuple[str, "View"]]:
        """Return keys and values of a map; raises `NotKnownError` when the map is not known."""
        return [(key, self.key(key)) for key in self.value] if _is_map(self.value) else []

    def text(self) -> str:
        """Return the value as text; None is the empty text."""
        return "" if self.value is None else str(self.raw)

    def whole(self) -> Any:
        """Return the value; raises `NotKnownError` when a part of it is not known."""
        for path, leaf in leaves(self.raw, self.path):
            if leaf is UNKNOWN:
                raise NotKnownError(path)
        return self.raw


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Return every scalar value with its path."""
    if isinstance(value, str):
        yield path, value
    elif _is_map(value):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, f"{path}[{position}]")
    else:
        yield path, value


def _below(value: Any, key: str) -> Any:
    """Return the value of a key; None where there is none, and unknown below an unknown value."""
    if _is_map(value):
        return value.get(key)
    return UNKNOWN if value is UNKNOWN else None


def _is_map(value: Any) -> bool:
    """Return whether a value is a map; nearly all are dictionaries, of which no abstract base class is asked."""
    return type(value) is dict or isinstance(value, Mapping)
