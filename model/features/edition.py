"""Edition: the files that one run of the features step publishes together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.curated.curated_tables import Manifest
from model.io import storage


@dataclass(frozen=True)
class Edition:
    """The features of a run, and the curated tables that they were computed from.

    Parameters
    ----------
    out
        Where the features file is to be.
    features
        Content of the features file, as Parquet.
    manifests
        Manifests of the curated tables, one a hospital.
    folder
        The curated tables, as ``<table>/<hospital>.parquet``; gone when the run is over.
    """

    out: str
    features: bytes
    manifests: tuple[Manifest, ...]
    folder: Path


Publish = Callable[[Edition], None]


def to_file(edition: Edition) -> None:
    """Write the features file."""
    storage.write(edition.out, edition.features)
