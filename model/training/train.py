"""The ``train`` command: split, tuned and calibrated model, and the run folder."""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import sklearn
from threadpoolctl import threadpool_limits

from model.dataset.dataset import Dataset
from model.dataset.tables import Words, split_names
from model.gates import GateTable
from model.training import checks, leakage, sources
from model.training.model_selection import select_model
from model.training.run import Run, check_folder, dumped, write_run
from model.training.split import split


def train(
    features: str,
    *,
    out: Path,
    profile: str,
    gates: GateTable,
    table: Words | None = None,
    without: Sequence[str] = (),
    hospital: str = "unnamed",
    accept: Sequence[str] = (),
    accepted_by: str | None = None,
    reason: str | None = None,
) -> Run:
    """Fit a model on three quarters of the patients and hold the rest out for :func:`model.evaluate`.

    Parameters
    ----------
    features : str
        Features file, or a hospital's own table.
    out : Path
        Folder of the run.
    profile : str
        Gate profile: clinical, development or demonstration.
    gates : GateTable
        Gates: :func:`model.gates.gate_table`.
    table : Words, optional
        Column roles of a hospital's own table.
    without : sequence of str
        Features to exclude.
    hospital : str
        Hospital of an own table; a features file holds its name.
    accept : sequence of str
        Features suspected of target leakage that the owner of the table accepts.
    accepted_by, reason : str, optional
        Owner who accepts them, as ``ROLE:NAME``, and the reason.

    Returns
    -------
    Run
        Parameters, lineage and counts, as ``run.json`` of the run's folder has them.

    Raises
    ------
    GateError
        If there is less data than the profile's minimum, a column is constant (profile clinical), or a feature is
        target leakage or suspected of it and not accepted.
    UserError
        If the features cannot be read, or an option is invalid.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import train
    >>> from model.gates import gate_table
    >>> run = train("features.parquet", out=Path("run"), profile="demonstration", gates=gate_table(None))
    >>> run.algorithm, sorted(run.calibration)
    ('logistic-regression', ['intercept', 'slope'])
    """
    check_folder(out)
    attributes = gates.profile(profile).groups
    if table is None:
        source = sources.from_features(features, without=without, attributes=attributes)
    else:
        words = replace(table, without=tuple(without))
        source = sources.from_table(features, words, hospital=hospital, attributes=attributes)
    parts = split(source.data, return_days=source.return_days)
    checks.enough(source.data.rows(parts.fit), gates, profile)
    source = source.without(checks.constant(source.data.rows(parts.fit), profile))
    data, columns = replace(source.data, later=parts.later), source.columns
    fit, test = data.rows(parts.fit), data.rows(parts.test)
    alone = leakage.measured(fit, columns)
    leakage.no_copy(alone)
    accepted = split_names(accept, data.names)
    suspects = leakage.accept(leakage.suspects(alone), accepted, columns, by=accepted_by, reason=reason)
    if gates.profile(profile).leakage == "refuse":
        leakage.refuse_suspects(suspects, profile)
    # One thread: the same bytes on any machine, and no waiting for cores that a container was not given.
    with threadpool_limits(limits=1):
        selected = select_model(fit, columns)
    content = dumped(selected.pipeline)
    run = Run(
        profile=profile,
        gates=gates.model_dump(mode="json"),
        hospitals=source.hospitals,
        features=data.names,
        columns=columns,
        left_out=source.exclusion_reasons,
        groups=tuple(data.groups),
        definition_digest=source.definition_digest,
        data_digest=source.data_digest,
        made_from=source.made_from,
        return_days=source.return_days,
        counts=_counts(data, fit, test),
        split=parts.how,
        algorithm=selected.algorithm,
        parameters=selected.parameters,
        candidates=selected.candidates,
        rule=selected.rule,
        penalty=selected.parameters.get("C"),
        calibration={"slope": selected.calibration.slope, "intercept": selected.calibration.intercept},
        thresholds={name: float(np.quantile(selected.risks, 1 - b.top_share)) for name, b in gates.policy.items()},
        pipeline_sha256=hashlib.sha256(content).hexdigest(),
        gates_version=gates.version,
        exceptions=gates.profile(profile).exceptions,
        suspects=suspects,
        versions={"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__},
    )
    write_run(out, run, pipeline=content, test=test, fit=fit)
    return run


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
