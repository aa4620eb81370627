"""Conventions of hospitals' own tables (``conventions.yaml``), typed."""

import functools
import re
import unicodedata
from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

CONVENTIONS_FILE = Path(__file__).parent / "conventions.yaml"
_WORD = re.compile(r"[A-ZÀ-Þ]+(?![a-zà-ÿ])|[A-ZÀ-Þ]?[a-zà-ÿ]+")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sentinels(_Row):
    """Numbers that mean a missing value, and when they do."""

    negative: frozenset[float]
    positive: frozenset[float]
    gap: float = Field(gt=0)
    repeated: int = Field(gt=0)


class Emergency(_Row):
    """The words for an emergency admission, and for another one."""

    acute: frozenset[str]
    planned: frozenset[str]


class AgeNames(_Row):
    """The words for the age in a column's name, and those that may stand beside them."""

    of: frozenset[str]
    beside: frozenset[str]


class Conventions(_Row):
    """The conventions table."""

    not_understood: float = Field(ge=0, lt=0.5)
    sure_rows: int = Field(gt=0)
    missing: frozenset[str]
    sentinels: Sentinels
    dates: frozenset[date]
    code_names: frozenset[str]
    count_names: frozenset[str]
    date_names: frozenset[str]
    months: tuple[tuple[str, ...], ...] = Field(min_length=12, max_length=12)
    footers: tuple[str, ...]
    emergency: Emergency
    lace_names: dict[str, tuple[str, ...]]
    age_names: AgeNames


@functools.cache
def conventions() -> Conventions:
    """Read the table that ships with the package."""
    return Conventions.model_validate(yaml.safe_load(CONVENTIONS_FILE.read_bytes()))


def folded(text: str) -> str:
    """Return a text in lower case without accents."""
    return unicodedata.normalize("NFD", text.lower()).encode("ascii", "ignore").decode()


def words_of(name: str) -> frozenset[str]:
    """Return the words of a column's name in lower case, without digits and signs: ``icd9Code_1`` has icd and code."""
    return frozenset(word.lower() for word in _WORD.findall(name))
