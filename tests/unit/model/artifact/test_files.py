"""The names of a release's files: one table, which the program, the policy pack and the environment read too."""

import json
import re

import local.hospitals.pipeline
from model.artifact import files
from policy_pack.facts import releases
from tests.support.repository import REPOSITORY
from workloads.blocks import release_metadata

TABLE = REPOSITORY / "model" / "artifact" / "names.json"
FOLDERS = ("model", "services", "workloads", "policy_pack", "local", "bench")


def test_the_names_of_released_files_stay_what_they_were() -> None:
    assert json.loads(TABLE.read_text()) == {
        "list": "files.json",
        "signature": "signature.json",
        "pipeline": "pipeline.joblib",
        "compiled": "compiled.json",
        "contract": "contract.json",
        "policy": "policy.json",
        "metrics": "metrics.json",
        "lineage": "lineage.json",
        "reference": "reference.json",
        "sbom": "sbom.cdx.json",
        "card": "MODEL_CARD.md",
        "report": "report.html",
        "server": "model-settings.json",
    }


def test_whoever_reads_a_release_knows_them_by_the_table() -> None:
    names = {files.LIST_FILE, files.SIGNATURE_FILE, files.CARD_FILE, files.METRICS_FILE, files.LINEAGE_FILE}
    for module in (releases, release_metadata):
        assert {module.FILE_LIST, module.SIGNATURE, module.MODEL_CARD, module.METRICS, module.LINEAGE} == names
    assert local.hospitals.pipeline.METRICS_FILE == files.METRICS_FILE


def test_no_other_code_writes_one() -> None:
    names = set(json.loads(TABLE.read_text()).values()) - {files.REPORT_FILE}  # a template is called so too
    written = re.compile("|".join(f'"/?{re.escape(name)}"' for name in names))
    found = [
        str(path.relative_to(REPOSITORY))
        for folder in FOLDERS
        for path in (REPOSITORY / folder).rglob("*.py")
        if written.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
