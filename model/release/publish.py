"""The ``release`` and ``verify`` commands."""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model import places
from model.errors import UserError
from model.evaluation.run import read_evaluation, refuse
from model.features.definitions import Definitions, definitions
from model.gates import GateTable
from model.release import files
from model.release.card import card
from model.release.signing import Signature, Signer, check
from model.scoring import Scorer
from model.training.run import Run, read_pipeline, read_run

MODEL = "readmission-risk"
RUNTIME = "services.model_server.ReadmissionModel"
_VERSION = re.compile(r"v[0-9]+(\.[0-9]+)*", re.ASCII)


@dataclass(frozen=True)
class Released:
    """What a release run did."""

    place: str
    model: str
    version: str
    digest: str
    release: str
    changed: bool
    profile: str
    signer: str
    roc_auc: float | None


@dataclass(frozen=True)
class Verified:
    """A release that holds."""

    place: str
    model: str
    version: str
    digest: str
    signer: str
    trusted: bool
    profile: str
    smoke_risk: float


def release(
    folder: Path, *, version: str, to: str, signer: Signer, approved_by: str | None = None, reason: str | None = None
) -> Released:
    """Publish a run that passed its gates as an immutable folder ``to/version/digest12``.

    Raises
    ------
    GateError
        When the evaluation refused.
    """
    if not _VERSION.fullmatch(version):
        raise UserError("--version must be like v1 or v1.2.")
    if (approved_by is None) != (reason is None):
        raise UserError("An approval needs both --approve WHO and --reason TEXT.")
    run, evaluation = read_run(folder), read_evaluation(folder)
    refuse(evaluation)
    read_pipeline(folder, run)
    approval = {"by": approved_by, "reason": reason} if approved_by else None
    contents = _contents(folder, run, evaluation, version, approval)
    file_list = files.listed(contents)
    digest = files.digest_of(file_list)
    place = places.join(to, version, digest[: files.DIGEST_CHARACTERS])
    done = Released(
        place=place,
        model=f"{MODEL}-{version}",
        version=version,
        digest=digest,
        release=f"{version}@{digest[: files.DIGEST_CHARACTERS]}",
        changed=True,
        profile=run.profile,
        signer="",
        roc_auc=(evaluation["roc_auc"] or {}).get("value"),
    )
    published = places.read_if_any(places.join(place, files.SIGNATURE_FILE))
    if published is not None:
        files.read(place)
        return Released(**asdict(done) | {"changed": False, "signer": json.loads(published)["signer"]})
    signature = signer.sign(file_list)
    for name, content in contents.items():
        places.write(places.join(place, name), content)
    places.write(places.join(place, files.LIST_FILE), file_list)
    # The signature is last: a folder without one is a release that was cut short, and is finished by the next run.
    places.write(places.join(place, files.SIGNATURE_FILE), _json(asdict(signature)))
    return Released(**asdict(done) | {"signer": signature.signer})


def verify(place: str, *, trusted: Collection[str] | None = None) -> Verified:
    """Check hashes, signature and contract of a release, and make one prediction with it."""
    found = files.read(place)
    content = places.read_if_any(places.join(place, files.SIGNATURE_FILE))
    if content is None:
        raise UserError(f"The release at {place} is not signed; finish it with python -m model release.")
    try:
        signature = Signature(**json.loads(content))
    except (ValueError, TypeError):
        raise UserError(f"The signature of the release at {place} cannot be read; fetch it again.") from None
    check(signature, found.listed, trusted)
    scorer = Scorer(found)
    if scorer.names != definitions().names:
        raise UserError(f"The release at {place} asks for other features than this package makes.")
    smoke = scorer.score(np.full((1, len(scorer.names)), np.nan))[0]
    return Verified(
        place=place,
        model=scorer.name,
        version=scorer.version,
        digest=found.digest,
        signer=signature.signer,
        trusted=trusted is not None,
        profile=str(scorer.lineage["profile"]),
        smoke_risk=smoke.risk,
    )


def _contents(
    folder: Path, run: Run, evaluation: dict[str, Any], version: str, approval: dict[str, str | None] | None
) -> dict[str, bytes]:
    name = f"{MODEL}-{version}"
    lineage = {key: value for key, value in asdict(run).items() if key not in {"gates", "thresholds", "features"}} | {
        "model": name,
        "version": version,
        "approval": approval,
    }
    contract, policy = _contract(definitions(), run), _policy(run)
    text = card(lineage=lineage, metrics=evaluation, policy=policy, contract=contract)
    return {
        files.PIPELINE_FILE: (folder / files.PIPELINE_FILE).read_bytes(),
        files.CONTRACT_FILE: _json(contract),
        files.POLICY_FILE: _json(policy),
        files.METRICS_FILE: _json(_headline(evaluation) | {"evaluation": evaluation}),
        files.LINEAGE_FILE: _json(lineage),
        files.CARD_FILE: text.encode(),
        files.SERVER_FILE: _json(_server_settings(name, version, run)),
    }


def _headline(evaluation: dict[str, Any]) -> dict[str, float | None]:
    """Return the figures that are told first."""
    plain = {name: (evaluation[name] or {}).get("value") for name in ("roc_auc", "lace_roc_auc", "pr_auc", "brier")}
    return plain | {"calibration_slope": (evaluation["calibration"] or {}).get("slope")}


def _contract(table: Definitions, run: Run) -> dict[str, Any]:
    """Return the features that the model takes, as a JSON schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "features of one discharge",
        "type": "object",
        "additionalProperties": False,
        "required": list(run.features),
        "x-order": list(run.features),
        "x-definition-digest": run.definition_digest,
        "properties": {
            f.name: {
                "type": ["number", "null"],
                "description": f.meaning,
                "x-unit": f.unit,
                "x-window": f.window,
                "x-source": f.source,
            }
            for f in table.features
        },
    }


def _policy(run: Run) -> dict[str, Any]:
    policy = GateTable.model_validate(run.gates).policy
    ordered = sorted(policy, key=lambda name: policy[name].top_share)
    bands = [{"name": name, "from": run.thresholds[name], "action": policy[name].action} for name in ordered]
    bands[-1]["from"] = 0.0
    return {"bands": bands}


def _server_settings(name: str, version: str, run: Run) -> dict[str, Any]:
    return {
        "name": name,
        "implementation": RUNTIME,
        "platform": "scikit-learn",
        "parameters": {"uri": ".", "version": version},
        "inputs": [{"name": feature, "datatype": "FP64", "shape": [-1, 1]} for feature in run.features],
        "outputs": [
            {"name": "risk", "datatype": "FP64", "shape": [-1, 1]},
            {"name": "decision", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "reasons", "datatype": "BYTES", "shape": [-1, 1]},
        ],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode()
