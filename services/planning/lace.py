"""LACE index of a discharge, from its features: what ranks patients when the release cannot.

van Walraven C, Dhalla IA, Bell C, et al. Derivation and validation of an index to predict early death or unplanned
readmission after discharge from hospital to the community. CMAJ 2010;182(6):551-557, table 2. The points are in
``model/definitions/features.yaml`` (length of stay, acuity, comorbidity, visits) and ``comorbidities.yaml`` (``lace``,
the points of a disease). The features file has the index of every row, computed from the codes themselves. From
features alone it is the same, with one approximation: the features do not tell severe kidney disease from any other, so
it counts 2 and not 4 points of comorbidity.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from model.definitions.features import definitions

LENGTH, ACUITY, VISITS = "stay_days", "emergency_admission", "emergency_visits_6m"
APPROXIMATIONS = ("severe kidney disease counts as kidney disease, 2 points of comorbidity and not 4",)
MOST_POINTS = 19
"""The greatest LACE index."""


class LaceInputsMissingError(Exception):
    """The index cannot be computed.

    Parameters
    ----------
    names : tuple of str
        The features that are missing or impossible.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__("the LACE index cannot be computed")
        self.names = names


@dataclass(frozen=True)
class Lace:
    """A LACE index (0 to 19) by its four parts."""

    length: int
    acuity: int
    comorbidity: int
    visits: int

    @property
    def total(self) -> int:
        """The index."""
        return self.length + self.acuity + self.comorbidity + self.visits


@dataclass(frozen=True)
class _Disease:
    """A disease with LACE points: the feature that says it is present, and the one of its severe form."""

    feature: str
    points: int
    severe_feature: str | None
    severe_points: int


def index(features: Mapping[str, float | None]) -> Lace:
    """Return the LACE index of a discharge.

    Parameters
    ----------
    features : mapping
        Values by the names of ``features.yaml``; more than :func:`inputs` are ignored.

    Raises
    ------
    LaceInputsMissingError
        If one of :func:`inputs` is missing or impossible: the index of a patient with unknowns would be too low.
    """
    missing = tuple(name for name in inputs() if not _possible(name, features.get(name)))
    if missing:
        raise LaceInputsMissingError(missing)
    known = {name: features[name] or 0.0 for name in inputs()}
    points = definitions().lace
    days = math.floor(known[LENGTH])
    illness = sum(_points(disease, known) for disease in _diseases())
    return Lace(
        length=next((given for fewer, given in points.days if days < fewer), points.days_beyond),
        acuity=points.acute if known[ACUITY] else 0,
        comorbidity=points.comorbidity[illness] if illness < len(points.comorbidity) else points.comorbidity_beyond,
        visits=min(int(known[VISITS]), points.visits),
    )


@cache
def inputs() -> tuple[str, ...]:
    """Return the features that the index needs."""
    names = [LENGTH, ACUITY, VISITS]
    for disease in _diseases():
        names += [disease.feature, *([disease.severe_feature] if disease.severe_feature else [])]
    return tuple(names)


def _points(disease: _Disease, known: Mapping[str, float]) -> int:
    if disease.severe_feature and known[disease.severe_feature]:
        return disease.severe_points
    return disease.points if known[disease.feature] else 0


@cache
def _diseases() -> tuple[_Disease, ...]:
    groups = definitions().comorbidities
    names = {frozenset(feature.groups): feature.name for feature in definitions().of_kind("comorbidity")}
    severe_forms = {group.replaces: name for name, group in groups.items() if group.replaces}
    diseases = []
    for name, group in groups.items():
        severe = severe_forms.get(name)
        if group.replaces or not group.lace:
            continue
        if severe is None:
            diseases.append(_Disease(names[frozenset({name})], group.lace, None, 0))
        else:
            feature, severe_feature = names[frozenset({name, severe})], names.get(frozenset({severe}))
            diseases.append(_Disease(feature, group.lace, severe_feature, groups[severe].lace))
    return tuple(diseases)


def _possible(name: str, value: float | None) -> bool:
    if value is None or not math.isfinite(value) or value < 0:
        return False
    return name in (LENGTH, VISITS) or value in (0, 1)
