"""Input contract of a model: the release's JSON schema as arrays, and the validation of inputs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from model.dataset.columns import codes, plain
from model.errors import UserError
from model.scoring.feature import Feature, outside_possible, outside_trained, read_feature

Floats = npt.NDArray[np.float64]
Values = Sequence[float | str | None]

_CELLS = {int, float, type(None)}
_NUMBERS = (int, float, np.floating, np.integer)


@dataclass(frozen=True)
class Table:
    """Patient and time columns of a hospital's own table.

    Attributes
    ----------
    time_written
        How the time was written where it was text, as training decided it.
    baseline
        What the model was compared with, and from which columns it was computed.
    """

    patient: str
    time: str | None
    time_written: str | None = None
    baseline: Mapping[str, object] = field(default_factory=dict)


class Contract:
    """Input contract of a model: its features, in order.

    Parameters
    ----------
    schema : mapping
        JSON schema of the release's inputs, with the order of the features as ``x-order``.

    Raises
    ------
    KeyError
        If the schema lacks ``properties`` or ``x-order``.

    Examples
    --------
    >>> from model.scoring import Contract
    >>> age = {"description": "age", "x-unit": "years", "x-trained": {"usual": 71.0}, "minimum": 0, "maximum": 130}
    >>> contract = Contract({"properties": {"age": age}, "x-order": ["age"]})
    >>> contract.names, contract.matrix({"age": [64, None]})  # shape (n discharges, n features), NaN for missing
    (('age',), array([[64.],
           [nan]]))
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.features = tuple(read_feature(name, schema["properties"][name]) for name in schema["x-order"])
        self.names = tuple(feature.name for feature in self.features)
        # A hospital may send every feature of the definition, also one that this model does not use.
        self._known = frozenset(schema["properties"])
        self._least = np.array([feature.least for feature in self.features])
        self._most = np.array([feature.most for feature in self.features])
        self._low = np.array([feature.low for feature in self.features])
        self._high = np.array([feature.high for feature in self.features])
        self.usual: Floats = np.array([feature.usual for feature in self.features])
        self.table = Table(**schema["x-table"]) if "x-table" in schema else None
        self._codes = np.array([bool(feature.categories) for feature in self.features])

    @cached_property
    def order(self) -> str:
        """The order of the features: SHA-256 of their names, one a line."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    def knows(self, name: str) -> bool:
        """Return whether a request may have a feature of this name."""
        return name in self._known

    @classmethod
    def parse(cls, text: str) -> "Contract":
        """Return the contract of a release."""
        return cls(json.loads(text))

    def matrix(self, columns: Mapping[str, Values]) -> Floats:
        """Return named columns in the model's order, None as NaN; a category's levels as text, or as their places.

        Raises
        ------
        UserError
            When a column is unknown, absent, of another length, or has an impossible value. Messages repeat no value.
        """
        self._check_names(columns)
        chosen = [_coded(feature, columns[feature.name]) for feature in self.features]
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise UserError("The features have different lengths or none; give one value for each discharge.")
        if not all(_is_number(value) for column in chosen for value in column):
            raise UserError("A feature has values that are not numbers; give numbers or null.")
        try:
            values: Floats = np.array(chosen, dtype=np.float64).T
        except OverflowError:
            raise UserError("A feature has a number that is too large; give finite numbers or null.") from None
        self.check(values)
        return values

    def tensor(self, data: Sequence[object], shape: Sequence[int], order: object) -> Floats:
        """Return a tensor of shape [n, k] in the model's order, None as NaN.

        Parameters
        ----------
        data : sequence
            The numbers row by row, or a list for each row.
        shape : sequence of int
            ``[n, k]``.
        order : str
            :attr:`order` of the contract that the sender has: columns in another order would be scored without a sign.

        Raises
        ------
        UserError
            When the release takes no tensor, or it is of another order or shape, or has an impossible value. Messages
            repeat no value.
        """
        if self.table is not None:
            raise UserError("A release of a hospital's own table takes no tensor; give one input for each feature.")
        if order != self.order:
            raise UserError("The tensor's order is not that of the release's features; read the release's contract.")
        if len(shape) != 2 or shape[1] != len(self.names) or shape[0] < 1:
            raise UserError(f"The tensor's shape is not [n, {len(self.names)}]; give one row for each discharge.")
        cells = _flat(data, shape[1])
        if len(cells) != shape[0] * shape[1]:
            raise UserError("The tensor has another number of values than its shape; give a value or null for each.")
        if not {type(cell) for cell in cells} <= _CELLS:
            raise UserError("The tensor has values that are not numbers; give numbers or null.")
        try:
            values: Floats = np.array(cells, dtype=np.float64).reshape(shape[0], shape[1])
        except OverflowError:
            raise UserError("The tensor has a number that is too large; give finite numbers or null.") from None
        if int(np.isnan(values).sum()) != cells.count(None):
            raise UserError("The tensor has values that are not numbers; give numbers or null.")
        self.check(values)
        return values

    def check(self, values: Floats) -> None:
        """Refuse values that cannot be: infinite, outside of what is possible, or no code of the category."""
        if np.isinf(values).any():
            raise UserError(f"{self._first(np.isinf(values))} is infinite; give finite numbers or null.")
        outside = (values < self._least) | (values > self._most)
        if outside.any():
            place = int(np.flatnonzero(outside.any(axis=0))[0])
            raise UserError(f"{outside_possible(self.features[place])}; check its unit and its source.")
        parts = self._codes & (values != np.floor(values)) & ~np.isnan(values)
        if parts.any():
            raise UserError(f"{self._first(parts)} is not a code of its category; give the index of the level.")

    def warnings(self, values: Floats) -> list[tuple[str, ...]]:
        """Return for each row a sentence for each value outside of what the model was trained on."""
        beyond = (values < self._low) | (values > self._high)
        flags: list[tuple[str, ...]] = [()] * len(values)
        for row in np.flatnonzero(beyond.any(axis=1)).tolist():
            flags[row] = tuple(outside_trained(self.features[place]) for place in np.flatnonzero(beyond[row]))
        return flags

    def _check_names(self, columns: Mapping[str, Values]) -> None:
        if columns.keys() <= self._known and columns.keys() >= set(self.names):
            return
        unknown = sorted(columns.keys() - self._known)
        absent = sorted(set(self.names) - columns.keys())
        what = f"unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(absent) or 'none'}"
        raise UserError(f"The features do not match the model's contract ({what}).")

    def _first(self, marked: npt.NDArray[np.bool_]) -> str:
        return self.names[int(np.flatnonzero(marked.any(axis=0))[0])]


def _coded(feature: Feature, values: Values) -> Sequence[Any]:
    """Return a category's texts as codes; an unknown level gets the code that it had in training, and stays private."""
    texts = [isinstance(value, str) for value in values]
    if not feature.categories:
        if any(texts):
            raise UserError(f"{feature.name} is a number and was given as text; give numbers or null.")
        coded = feature.written.sentinels
        return [None if value in coded else value for value in values] if coded else values
    if any(texts):
        if not all(text or value is None for text, value in zip(texts, values, strict=True)):
            raise UserError(f"{feature.name} mixes text and numbers; give every level as text, or null.")
        return list(codes(feature.column, [plain(value) for value in values]))
    if feature.named_by_numbers and any(value is not None for value in values):
        raise UserError(f"{feature.name} is a category whose levels are numbers; give the level as text.")
    return values


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, _NUMBERS) and not isinstance(value, bool))


def _flat(data: Sequence[object], columns: int) -> list[object]:
    """Return the values of a tensor, row by row; rows of different lengths are not a tensor."""
    if not any(isinstance(row, list) for row in data):
        return list(data)
    rows = [row for row in data if isinstance(row, list) and len(row) == columns]
    if len(rows) != len(data):
        raise UserError("The tensor's rows have different lengths; give one value or null for each feature.")
    return [cell for row in rows for cell in row]
