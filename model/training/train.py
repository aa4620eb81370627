"""The ``train`` command: a split, a tuned and calibrated model, and the run that says how it came about."""

import hashlib
import platform
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sklearn
from threadpoolctl import threadpool_limits

from model.dataset import Dataset, labelled
from model.errors import GateError
from model.features.build import load
from model.features.definitions import Definitions, definitions
from model.gates import GateTable, Minimum
from model.training.choice import choose
from model.training.columns import Column
from model.training.groups import groups_of
from model.training.run import Run, check_folder, dumped, write_run
from model.training.split import split


def train(features: str, *, out: Path, profile: str, gates: GateTable) -> Run:
    """Fit the model on three quarters of the patients and keep the rest for ``evaluate``.

    Parameters
    ----------
    features : str
        The features file.
    out : Path
        Folder of the run.
    profile : str
        Which gates the model will have to pass.
    gates : GateTable
        The gates.

    Raises
    ------
    GateError
        When there is less data than the profile's minimum.
    """
    check_folder(out)
    minimum = gates.profile(profile).minimum
    table, made_from = load(features)
    columns = _columns(definitions())
    data = labelled(table, tuple(column.name for column in columns))
    data = replace(data, groups=_groups(data, getattr(gates.profile(profile), "groups", None)))
    parts = split(data)
    data = replace(data, later=parts.later)
    fit, test = data.rows(parts.fit), data.rows(parts.test)
    _enough(fit, minimum, profile)
    # One thread: the same bytes on any machine, and no waiting for cores that a container was not given.
    with threadpool_limits(limits=1):
        chosen = choose(fit, columns)
    content = dumped(chosen.pipeline)
    run = Run(
        profile=profile,
        gates=gates.model_dump(),
        hospitals=tuple(sorted(made_from["curated"])),
        features=data.names,
        columns=columns,
        left_out={},
        groups=tuple(data.groups),
        definition_digest=made_from["definition_digest"],
        data_digest=_digest(table),
        made_from=made_from,
        counts=_counts(data, fit, test),
        split=parts.how,
        algorithm=chosen.algorithm,
        parameters=chosen.parameters,
        candidates=chosen.candidates,
        rule=chosen.rule,
        penalty=chosen.parameters.get("C"),
        calibration={"slope": chosen.calibration.slope, "intercept": chosen.calibration.intercept},
        thresholds={name: float(np.quantile(chosen.risks, 1 - b.top_share)) for name, b in gates.policy.items()},
        pipeline_sha256=hashlib.sha256(content).hexdigest(),
        versions={"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__},
    )
    write_run(out, run, pipeline=content, test=test, fit=fit)
    return run


def _columns(table: Definitions) -> tuple[Column, ...]:
    return tuple(
        Column(name=f.name, meaning=f.meaning, unit=f.unit, source=f.source, window=f.window) for f in table.features
    )


def _groups(data: Dataset, attributes: Collection[str] | None) -> Mapping[str, Any]:
    return groups_of({name: data.column(name) for name in data.names}, attributes=attributes)


def _enough(fit: Dataset, minimum: Minimum, profile: str) -> None:
    found = {"discharges": len(fit), "readmissions": int(fit.label.sum()), "patients": fit.patients}
    for name, value in found.items():
        least = getattr(minimum, name)
        if value < least:
            raise GateError(
                f"{value} {name} to train on, but the profile {profile} asks for {least}; "
                "bring more data, or choose --profile demonstration to show the pipeline only."
            )
    if int(fit.label.sum()) == len(fit):
        raise GateError("Every discharge was followed by a readmission; a model needs both outcomes.")


def _counts(data: Dataset, fit: Dataset, test: Dataset) -> dict[str, int]:
    return {
        "discharges": len(data),
        "patients": data.patients,
        "readmissions": int(data.label.sum()),
        "training_discharges": len(fit),
        "training_patients": fit.patients,
        "training_readmissions": int(fit.label.sum()),
        "test_discharges": len(test),
        "test_later_discharges": int(test.later.sum()),
        "unused_discharges": len(data) - len(fit) - len(test),
    }


def _digest(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
