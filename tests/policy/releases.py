"""Files of a model release, complete or with one missing."""

import hashlib
import json
from pathlib import Path

from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.builders import STACK, changed
from tests.policy.world import cluster
from tests.support.model.cards import card


def release(
    root: Path,
    *,
    passed: bool = True,
    approved: bool = True,
    leave_out: str = "",
    change: str = "",
    of: str = "clinical",
    evaluated: bool = True,
    unanswered: str = "",
    missing: str = "",
) -> Settings:
    """Write a release as the project does, and return settings with its folder."""
    approvals = {"approval": {"by": "cmio:X"}, "ethics_approval": {"by": "ethics-committee:X"}} if approved else {}
    files = {
        "MODEL_CARD.md": card(unanswered, missing).encode(),
        "metrics.json": json.dumps({"evaluation": {"passed": passed}}).encode(),
        "lineage.json": json.dumps({"profile": of, "evaluated": evaluated, **approvals}).encode(),
    }
    rows = [
        {"path": name, "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
        if name != leave_out
    ]
    files["files.json"] = json.dumps({"files": rows}).encode()
    files["signature.json"] = b'{"signature": "s"}'
    digest = hashlib.sha256(files["files.json"]).hexdigest()[:16]
    place = root / "hmlops-prod-north-models" / "readmission" / "v1" / digest
    place.mkdir(parents=True)
    for name, content in files.items():
        if name != leave_out:
            (place / name).write_bytes(b"changed" if name == change else content)
    (root / "digest").write_text(digest)
    return world.settings().model_copy(update={"releases": root})


def served(root: Path) -> Graph:
    """Return the stack that serves the release."""
    digest = (root / "digest").read_text()
    service = next(r for r in cluster.model("north") if r.kind.endswith("InferenceService"))
    uri = f"s3://hmlops-prod-north-models/readmission/v1/{digest}"
    moved = changed(service, "spec.predictor.model.storageUri", uri)
    moved = changed(moved, "metadata.annotations.{healthcare-mlops/release-digest}", digest)
    left = [r for r in world.resources() if not r.kind.endswith("InferenceService")]
    return Graph([*left, moved], STACK)
