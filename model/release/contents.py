"""Files of a release, made from a run and its evaluation."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from model.artifact import files
from model.artifact.loading import load
from model.artifact.reference import TOLERANCE, reference
from model.compiled.document import dumped
from model.compiled.loading import explainer
from model.definitions.features import definitions
from model.gates import Evaluation
from model.release.card import Card, card
from model.release.contract import contract, levels, policy, server_settings, trained
from model.release.equality import proved
from model.release.metrics import ReleaseMetrics
from model.release.sbom import sbom
from model.release.workflows import RELEASE_CLASS
from model.scoring import Contract
from model.scoring.lineage import Lineage
from model.training.run import Run, read_fit, read_pipeline, read_test

MODEL = "readmission-risk"
# What the run keeps and the release says in files of its own.
_ELSEWHERE = frozenset({"gates", "thresholds", "features", "columns"})


def contents_of(
    folder: Path,
    run: Run,
    evaluation: Evaluation,
    version: str,
    approvals: Mapping[str, object],
    answers: Mapping[str, str],
) -> tuple[dict[str, bytes], Card]:
    """Return the files of a release by name, without their list and its signature, and the model card."""
    name = f"{MODEL}-{version}"
    lineage = {key: value for key, value in run.written().items() if key not in _ELSEWHERE}
    lineage |= {"model": name, "version": version, "release_class": RELEASE_CLASS, **approvals}
    lineage |= {"evaluated": not evaluation.not_evaluated, "not_evaluated": evaluation.not_evaluated}
    schema, decisions = contract(definitions(), run, trained(run.columns, read_fit(folder).values)), policy(run)
    pipeline = (folder / files.PIPELINE_FILE).read_bytes()
    evaluated = read_pipeline(folder, run)
    loaded = load(pipeline)
    expected = reference(run.features, levels(schema), lambda values: evaluated.predict_proba(values)[:, 1])
    test = read_test(folder).values
    rows = np.concatenate([test, np.array(expected["inputs"], dtype=np.float64)])
    document = proved(loaded.pipeline, Contract(schema), run.pipeline_sha256, rows)
    lineage |= {"compiled": {"kind": document.kind, "test_rows": len(test), "tolerance": TOLERANCE}}
    method = explainer(document, Contract(schema).usual).method
    written = card(
        lineage=Lineage.model_validate(lineage),
        metrics=evaluation,
        policy=decisions,
        contract=schema,
        method=method,
        answers=answers,
    )
    contents = {
        files.PIPELINE_FILE: pipeline,
        files.COMPILED_FILE: dumped(document),
        files.CONTRACT_FILE: json_bytes(schema),
        files.POLICY_FILE: json_bytes(decisions.written()),
        files.METRICS_FILE: json_bytes(ReleaseMetrics.of(evaluation).written()),
        files.LINEAGE_FILE: json_bytes(lineage),
        files.REFERENCE_FILE: json_bytes(expected),
        files.SBOM_FILE: sbom(
            name=name, version=version, pipeline_sha256=run.pipeline_sha256, packages=loaded.packages
        ),
        files.CARD_FILE: written.text.encode(),
        files.SERVER_FILE: json_bytes(server_settings(name, version, run)),
    }
    report = folder / files.REPORT_FILE
    if report.is_file():
        contents[files.REPORT_FILE] = report.read_bytes()
    return contents, written


def json_bytes(value: object) -> bytes:
    """Return a value as the JSON of a release's files."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode()
