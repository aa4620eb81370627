"""Stored compiled form: its fields, and what makes it unfit to be used."""

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from model.errors import UserError

MOST_LEAVES = 32
LEAF = -1

Finite = Annotated[float, Field(allow_inf_nan=False)]
Scale = Annotated[float, Field(allow_inf_nan=False, gt=0)]


class _Stored(BaseModel):
    """A part of the stored form; a field that is not known refuses the whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Number(_Stored):
    """A number in a linear model: imputed, standardised and weighted, and the weights of its bins.

    Attributes
    ----------
    imputed
        What stands for a missing value.
    center, scale, weight
        ``(value - center) / scale * weight`` adds to the log-odds.
    if_missing, if_recorded
        What the indicator of missing values adds.
    edges
        Inner edges of the bins; a value at an edge is above it.
    bins
        What each bin adds; empty if there are none.
    """

    kind: Literal["number"] = "number"
    imputed: Finite
    center: Finite
    scale: Scale
    weight: Finite
    if_missing: Finite
    if_recorded: Finite
    edges: tuple[Finite, ...] = ()
    bins: tuple[Finite, ...] = ()

    @model_validator(mode="after")
    def _bins_between_edges(self) -> "Number":
        if len(self.edges) != max(0, len(self.bins) - 1) or list(self.edges) != sorted(self.edges):
            raise ValueError("bins and edges do not fit")
        return self


class Level(_Stored):
    """A category in a linear model: what each level, a missing one and one that was never seen add to the log-odds."""

    kind: Literal["level"] = "level"
    levels: tuple[Finite, ...]
    missing: Finite
    unseen: Finite


class Rates(_Stored):
    """A category in a model of trees: the outcome rate in place of each level."""

    levels: tuple[Finite, ...]
    missing: Finite
    unseen: Finite


class Tree(_Stored):
    """A tree as lists of its nodes, of which the first is the root and children follow their parent.

    Attributes
    ----------
    feature
        Place of the feature that a node tests; -1 in a leaf.
    threshold
        A value at most as large goes left; none, and every recorded value does.
    missing_left
        Whether a missing value goes left.
    left, right
        Places of the children; -1 in a leaf.
    value
        What a leaf adds to the log-odds.
    """

    feature: tuple[int, ...]
    threshold: tuple[Finite | None, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[Finite, ...]

    @model_validator(mode="after")
    def _is_a_tree(self) -> "Tree":
        size = len(self.feature)
        if not size or any(len(rows) != size for rows in self._columns()):
            raise ValueError("a tree's lists differ in length")
        children: list[int] = []
        for node, feature in enumerate(self.feature):
            own = (self.left[node], self.right[node])
            if feature == LEAF and own == (LEAF, LEAF):
                continue
            if feature < 0 or min(own) <= node:
                raise ValueError("a tree's node has no children that follow it")
            children += own
        if sorted(children) != list(range(1, size)) or self.feature.count(LEAF) > MOST_LEAVES:
            raise ValueError(f"the nodes are no tree of at most {MOST_LEAVES} leaves")
        return self

    def _columns(self) -> tuple[tuple[object, ...], ...]:
        return self.threshold, self.missing_left, self.left, self.right, self.value


class _Document(_Stored):
    """Fields of every compiled form: the digest of its pipeline, and the features in their order."""

    format: Literal[1] = 1
    pipeline_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    names: tuple[str, ...]


class LinearDocument(_Document):
    """Linear model: one function of each feature."""

    kind: Literal["linear"] = "linear"
    intercept: Finite
    features: tuple[Annotated[Number | Level, Field(discriminator="kind")], ...]

    @model_validator(mode="after")
    def _one_for_each_name(self) -> "LinearDocument":
        if len(self.features) != len(self.names):
            raise ValueError("names and features differ in number")
        return self


class TreesDocument(_Document):
    """Gradient-boosted trees: ``slope * (baseline + their values) + intercept`` is the log-odds.

    ``features`` has the rates of a category, and null for a number.
    """

    kind: Literal["trees"] = "trees"
    baseline: Finite
    slope: Finite
    intercept: Finite
    features: tuple[Rates | None, ...]
    trees: tuple[Tree, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_for_each_name(self) -> "TreesDocument":
        if len(self.features) != len(self.names):
            raise ValueError("names and features differ in number")
        if any(feature >= len(self.names) for tree in self.trees for feature in tree.feature):
            raise ValueError("a tree tests a feature that there is not")
        return self


Document = Annotated[LinearDocument | TreesDocument, Field(discriminator="kind")]
_DOCUMENT: TypeAdapter[LinearDocument | TreesDocument] = TypeAdapter(Document)


def parse(content: bytes) -> LinearDocument | TreesDocument:
    """Return a stored compiled form.

    Raises
    ------
    UserError
        If it is not one.
    """
    try:
        return _DOCUMENT.validate_json(content, strict=True)
    except ValidationError:
        raise UserError("The release's compiled model cannot be read; release the run again.") from None


def dumped(document: LinearDocument | TreesDocument) -> bytes:
    """Return the bytes of a compiled form; the same form gives the same bytes, and every number comes back exactly."""
    return json.dumps(document.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
