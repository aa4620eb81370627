"""Training data checks: sample size, both outcomes, constant columns."""

import shlex

import numpy as np

from model.dataset.dataset import Dataset
from model.errors import GateError
from model.gates import GateTable

STRICT = "clinical"


def enough(fit: Dataset, gates: GateTable, profile: str) -> None:
    """Refuse too few rows, outcomes or patients, and one outcome alone."""
    minimum = gates.profile(profile).minimum
    counts = {"discharges": len(fit), "readmissions": int(fit.label.sum()), "patients": fit.patients}
    for name, value in counts.items():
        least = getattr(minimum, name)
        if value < least:
            raise GateError(
                f"{value} {name} to train on, but the profile {profile} asks for {least} ({least - value} more); "
                f"add data{_elsewhere(counts, gates)}."
            )
    if counts["readmissions"] == len(fit):
        raise GateError("Every discharge was followed by a readmission; a model needs both outcomes.")


def constant(fit: Dataset, profile: str) -> dict[str, str]:
    """Return the columns that are constant in all training rows, with what they are; ``clinical`` refuses them.

    Raises
    ------
    GateError
        In the profile for patients: a feature that cannot be learnt has to be left out by a person.
    """
    if not fit.names:
        raise GateError("No column is left to train on; leave out fewer with --without, or add columns.")
    constants = {}
    for place, name in enumerate(fit.names):
        recorded = fit.values[np.isfinite(fit.values[:, place]), place]
        if not len(recorded):
            constants[name] = "never recorded in the training rows"
        elif len(recorded) == len(fit) and (recorded == recorded[0]).all():
            constants[name] = "constant in all training rows"
    if constants and profile == STRICT:
        raise GateError(
            f"{len(constants)} features are constant or missing in all training rows: {', '.join(constants)}; "
            f"add data that has them, or leave them out with --without {shlex.quote(','.join(constants))}."
        )
    if len(constants) == len(fit.names):
        raise GateError("Every column of the table is constant; a model needs at least one that varies.")
    return constants


def _elsewhere(found: dict[str, int], gates: GateTable) -> str:
    """Return the advice of a profile that asks for less, where there is one that the data satisfies."""
    for name, other in gates.profiles.items():
        if all(found[what] >= getattr(other.minimum, what) for what in found):
            return f", or choose --profile {name} ({other.meaning})"
    return ""
