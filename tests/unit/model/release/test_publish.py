"""A release is immutable, signed, and refused when anything in it changed."""

import base64
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from model.artifact import files
from model.artifact.loading import load
from model.artifact.trust import Signature, check
from model.curated.run import ingest
from model.errors import GateError, UserError
from model.evaluation.run import EVALUATION_FILE, evaluate
from model.features.build import build
from model.release.card import as_html, attributes, read_answers
from model.release.publish import Released, release
from model.release.signing import LocalSigner, VaultSigner
from model.release.verify import verify
from model.scoring import Scorer
from model.scoring.latest_discharge import latest, latest_of_bundle
from model.training.run import read_pipeline, read_run
from tests.support.model.gates_world import ANSWERS, APPROVED, ETHICS, OFFICER, prepared, published
from tests.support.model.model_world import RING, bundle, world, write_bundle

pytestmark = pytest.mark.process


def released(tmp_path: Path, version: str = "v1") -> Released:
    if not (world().run / EVALUATION_FILE).exists():
        evaluate(world().run)
    return release(world().run, version=version, to=str(tmp_path / "models"), signer=LocalSigner(tmp_path / "key"))


def contents(place: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(place).iterdir()}


def test_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    first = released(tmp_path)
    before = contents(first.place)
    second = released(tmp_path)
    assert first.changed
    assert not second.changed
    assert first.digest == second.digest
    assert contents(first.place) == before
    assert Path(first.place).name == first.digest[:12]


def test_another_version_lies_beside_it(tmp_path: Path) -> None:
    first, second = released(tmp_path), released(tmp_path, "v2")
    assert first.place != second.place
    assert verify(first.place).version == "v1"
    assert verify(second.place).model == "readmission-risk-v2"
    assert verify(second.place).holds


def test_a_release_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    first = released(tmp_path)
    whole = contents(first.place)
    Path(first.place, files.SIGNATURE_FILE).unlink()
    Path(first.place, files.CARD_FILE).unlink()
    with pytest.raises(UserError):
        verify(first.place)
    assert released(tmp_path).changed
    assert contents(first.place) == whole


@pytest.mark.parametrize(
    "name",
    [
        files.PIPELINE_FILE,
        files.COMPILED_FILE,
        files.POLICY_FILE,
        files.CONTRACT_FILE,
        files.METRICS_FILE,
        files.CARD_FILE,
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    place = released(tmp_path).place
    target = Path(place, name)
    target.write_bytes(target.read_bytes() + b" ")
    for opened in (verify, Scorer.open):
        with pytest.raises(UserError, match=f"{name} is not what was released"):
            opened(place)
    with pytest.raises(UserError, match="was changed"):
        released(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    place = released(tmp_path).place
    Path(place, files.POLICY_FILE).unlink()
    with pytest.raises(UserError, match="is not what was released"):
        verify(place)


def relisted(place: str) -> str:
    """Return the place of a release whose list and folder were made to fit what it now holds."""
    changed = contents(place)
    for name in (files.LIST_FILE, files.SIGNATURE_FILE):
        changed.pop(name, None)
    file_list = files.listed(changed)
    Path(place, files.LIST_FILE).write_bytes(file_list)
    return str(Path(place).rename(Path(place).with_name(files.digest_of(file_list)[:12])))


def signed_again(place: str, signer: LocalSigner) -> str:
    """Return the place of a changed release whose list, folder and signature its own signer made to fit."""
    place = relisted(place)
    signature = signer.sign(Path(place, files.LIST_FILE).read_bytes())
    Path(place, files.SIGNATURE_FILE).write_text(json.dumps(asdict(signature)))
    return place


def test_a_list_that_was_changed_with_its_file_is_refused_by_the_signature(tmp_path: Path) -> None:
    place = released(tmp_path).place
    policy = Path(place, files.POLICY_FILE)
    policy.write_bytes(policy.read_bytes().replace(b"usual care", b"no care at all"))
    with pytest.raises(UserError, match="signature does not match"):
        verify(relisted(place))


def test_a_folder_by_another_digest_is_refused(tmp_path: Path) -> None:
    place = Path(released(tmp_path).place)
    for other in ("0" * 12, place.name[:4], "latest"):
        place = place.rename(place.with_name(other))
        for opened in (verify, Scorer.open):
            with pytest.raises(UserError, match="folder renamed"):
                opened(str(place))


def test_the_list_of_another_release_is_refused(tmp_path: Path) -> None:
    first, second = released(tmp_path).place, released(tmp_path, "v2").place
    for name in (files.LIST_FILE, files.SIGNATURE_FILE):
        shutil.copy(Path(second, name), Path(first, name))
    with pytest.raises(UserError, match="was changed"):
        verify(first)


def test_an_added_file_a_link_and_a_folder_are_refused(tmp_path: Path) -> None:
    place = Path(released(tmp_path).place)
    for name in ("extra.txt", ".hidden"):
        (place / name).write_text("x")
        with pytest.raises(UserError, match="an unlisted file"):
            verify(str(place))
        (place / name).unlink()
    (place / "inner").mkdir()
    with pytest.raises(UserError, match="an unlisted file"):
        verify(str(place))
    (place / "inner").rmdir()
    (place / files.POLICY_FILE).rename(tmp_path / "elsewhere")
    (place / files.POLICY_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="a symlink"):
        verify(str(place))


@pytest.mark.parametrize("name", ["../../key", "/etc/passwd", "a/b", ".part-x", ""])
def test_a_list_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    rows = json.dumps({"files": [{"path": name, "sha256": "0", "size": 1}]}).encode()
    place = tmp_path / files.digest_of(rows)[:12]
    place.mkdir()
    (place / files.LIST_FILE).write_bytes(rows)
    with pytest.raises(UserError, match="outside its own folder"):
        verify(str(place))


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self._path}",)


def bombs(path: Path) -> dict[str, bytes]:
    """Return pickles that would write a file: plain, by exec, within an array, by a method of a class, by getattr."""
    sink = io.BytesIO()
    joblib.dump(np.array([Bomb(path)], dtype=object), sink)
    code = f"open({str(path)!r}, 'w').close()"
    return {
        "plain": pickle.dumps(Bomb(path)),
        "protocol 0": pickle.dumps(Bomb(path), protocol=0),
        "in an array": sink.getvalue(),
        "exec": b"cbuiltins\nexec\n(S" + repr(code).encode() + b"\ntR.",
        "a dotted name": b"\x80\x04\x8c\x10sklearn.pipeline\x8c\x09os.system\x93\x8c\x04true\x85R.",
        "a function of the library": b"cnumpy.testing._private.utils\nrunstring\n(S" + repr(code).encode() + b"\n(dtR.",
        "a module inside": b"csklearn.utils\nos\n.",
    }


@pytest.mark.parametrize("kind", list(bombs(Path("/nowhere"))))
def test_a_pickle_that_would_run_a_command_never_does(tmp_path: Path, kind: str) -> None:
    done, written = released(tmp_path), tmp_path / "boom"
    bomb = bombs(written)[kind]
    Path(done.place, files.PIPELINE_FILE).write_bytes(bomb)
    with pytest.raises(UserError, match="is not what was released"):
        Scorer.open(done.place)
    # Even where whoever changed it made list, folder and signature fit, and the reader trusts the key.
    signer = LocalSigner(tmp_path / "key")
    place = signed_again(done.place, signer)
    with pytest.raises(UserError, match="compiled model is of another pipeline"):
        Scorer.open(place, trusted=signer.public_keys().values())
    # A release of before compiled models has none, and loads its pipeline.
    Path(place, files.COMPILED_FILE).unlink()
    with pytest.raises(UserError, match="not part of an estimator"):
        Scorer.open(signed_again(place, signer), trusted=signer.public_keys().values())
    with pytest.raises(UserError, match="not part of an estimator"):
        load(bomb)
    assert not written.exists()


def test_the_bomb_is_a_real_one(tmp_path: Path) -> None:
    pickle.loads(bombs(tmp_path / "boom")["plain"])
    assert (tmp_path / "boom").exists()


def test_a_pipeline_that_is_none_is_refused() -> None:
    for content in (b"", b"no pickle", pickle.dumps([1, 2]), pickle.dumps(np.arange(3))):
        with pytest.raises(UserError, match="pipeline"):
            load(content)


def test_a_stranger_cannot_sign(tmp_path: Path) -> None:
    done = released(tmp_path)
    own, stranger = LocalSigner(tmp_path / "key"), LocalSigner(tmp_path / "stranger")
    assert verify(done.place, trusted=own.public_keys().values()).trusted
    with pytest.raises(UserError, match="not trusted"):
        verify(done.place, trusted=stranger.public_keys().values())


def test_a_refused_model_is_not_released(tmp_path: Path) -> None:
    shutil.copytree(world().run, tmp_path / "run")
    found = evaluate(tmp_path / "run")
    found["gates"] = [{"name": "discrimination", "passed": False, "value": 0.5, "demand": "at least 0.6"}]
    (tmp_path / "run" / EVALUATION_FILE).write_text(json.dumps(found))
    with pytest.raises(GateError, match=r"discrimination is 0\.5"):
        release(tmp_path / "run", version="v1", to=str(tmp_path / "m"), signer=LocalSigner(tmp_path / "key"))
    assert not (tmp_path / "m").exists()


def test_bad_arguments_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="like v1"):
        released(tmp_path, "one")
    with pytest.raises(UserError, match="both --approve"):
        release(world().run, version="v1", to=str(tmp_path), signer=LocalSigner(tmp_path / "k"), approved_by="dr")
    with pytest.raises(UserError, match="is not a release"):
        verify(str(tmp_path))
    with pytest.raises(UserError, match="no discharge of patient"):
        latest(str(world().features), "nobody")


@pytest.mark.parametrize(
    ("ethics", "message"),
    [
        ({"ethics_approved_by": "ethics-committee:R. Roe"}, "both --ethics-approve"),
        ({"ethics_approved_by": "ethics-committee:R. Roe", "ethics_reason": " "}, "both --ethics-approve"),
        ({"ethics_reason": "EC-2026-014"}, "both --ethics-approve"),
        ({"ethics_approved_by": "R. Roe", "ethics_reason": "EC-2026-014"}, "must be ROLE:NAME"),
    ],
)
def test_an_ethics_approval_is_whole(tmp_path: Path, ethics: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        release(world().run, version="v1", to=str(tmp_path), signer=LocalSigner(tmp_path / "k"), **ethics)


def test_what_is_served_is_what_was_trained(tmp_path: Path) -> None:
    scorer = Scorer.open(released(tmp_path).place)
    discharge = latest(str(world().features), "any")
    values = scorer.matrix(discharge.columns)
    found = scorer.score(values)[0]
    pipeline = read_pipeline(world().run, read_run(world().run))
    assert found.risk == pytest.approx(pipeline.predict_proba(values)[0, 1], abs=1e-12)
    assert found.decision in {"high", "medium", "low"}
    sizes = [abs(reason.contribution) for reason in found.reasons]
    assert len(sizes) == 3
    assert sizes == sorted(sizes, reverse=True)
    assert all((reason.contribution > 0) == (reason.direction == "raises") for reason in found.reasons)


def test_a_bundle_gives_the_features_that_the_tables_give(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "patient.json", bundle())
    ingest(str(path), hospital="north", out=str(tmp_path / "curated"), ring=RING)
    build(str(tmp_path / "curated"), out=str(tmp_path / "features.parquet"))
    tabled = latest(str(tmp_path / "features.parquet"), "any").columns
    tabled.pop("age")
    found = latest_of_bundle(str(path)).columns
    age = found.pop("age")[0]
    assert found == tabled
    assert age is not None
    assert 18 <= age <= 90


def test_contributions_add_up_to_the_risk(tmp_path: Path) -> None:
    scorer = Scorer.open(released(tmp_path).place)
    values = scorer.matrix(latest(str(world().features), "any").columns)
    pipeline = read_pipeline(world().run, read_run(world().run))
    parts = pipeline[:-1].transform(values) * pipeline[-1].coef_[0]
    logit = parts.sum() + pipeline[-1].intercept_[0]
    assert scorer.score(values)[0].risk == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-12)


def test_features_that_do_not_fit_the_contract_are_refused(tmp_path: Path) -> None:
    scorer = Scorer.open(released(tmp_path).place)
    good = {name: [0.0] for name in scorer.names}
    for bad in (
        good | {"shoe_size": [1.0]},
        {"age": [1.0]},
        good | {"age": [1.0, 2.0]},
        good | {"age": [float("inf")]},
    ):
        with pytest.raises(UserError):
            scorer.matrix(bad)


def test_the_card_tells_that_it_is_a_demonstration(tmp_path: Path) -> None:
    card = contents(released(tmp_path).place)[files.CARD_FILE].decode()
    assert "must not be used for patients" in card
    assert "## Intended use" in card
    assert "$" not in card


class FakeTransit:
    """Signs with a key of its own, in Vault's words."""

    def __init__(self, path: Path) -> None:
        self._signer = LocalSigner(path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "north/transit/sign/release-signing"
        return {"signature": f"vault:v2:{self._signer.sign(base64.b64decode(body['input'])).signature}"}

    def get(self, path: str) -> dict[str, Any]:
        assert path == "north/transit/keys/release-signing"
        return {"keys": {"2": {"public_key": self._signer.public_keys()["v1"]}}}


def test_vault_signs_and_its_key_checks(tmp_path: Path) -> None:
    signer = VaultSigner(FakeTransit(tmp_path / "key"), "north/transit")
    made = signer.sign(b"list")
    assert made.key_version == "v2"
    check(made, b"list", signer.public_keys().values())
    with pytest.raises(UserError, match="does not match"):
        check(made, b"another list")
    with pytest.raises(UserError, match="does not match"):
        check(Signature("ed25519", "x", "v1", "not base64", "x"), b"list")


def test_a_clinical_release_needs_a_named_role_and_a_complete_card(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    with pytest.raises(GateError, match="approval is absent"):
        published(tmp_path, run, answers=ANSWERS)
    with pytest.raises(GateError, match="approval is by a janitor"):
        published(tmp_path, run, answers=ANSWERS, approved_by="janitor:J. Smith", reason="looks fine")
    with pytest.raises(UserError, match="ROLE:NAME"):
        published(tmp_path, run, answers=ANSWERS, approved_by="J. Smith", reason="looks fine")
    with pytest.raises(GateError, match="ethics approval is absent"):
        published(tmp_path, run, answers=ANSWERS, approved_by=OFFICER, reason="reviewed")
    with pytest.raises(GateError, match="ethics approval is by a janitor"):
        published(tmp_path, run, **APPROVED | {"ethics_approved_by": "janitor:R. Roe"})
    with pytest.raises(GateError, match=r"without an answer to developer \(1\.i\), funding \(1\.ii\)"):
        published(tmp_path, run, approved_by=OFFICER, reason="reviewed", **ETHICS)
    assert not (tmp_path / "models").exists()
    done = published(tmp_path, run, **APPROVED)
    card = contents(done.place)[files.CARD_FILE].decode()
    assert "must not be used for patients" not in card
    assert "| 1.i | Name and contact of the developer | Ward informatics" in card
    assert verify(done.place).approved_by == OFFICER


def test_an_evaluation_of_another_pipeline_is_refused(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    evaluation = json.loads((run / EVALUATION_FILE).read_text())
    (run / EVALUATION_FILE).write_text(json.dumps(evaluation | {"pipeline_sha256": "0" * 64}))
    with pytest.raises(UserError, match="of another pipeline"):
        published(tmp_path, run)


def test_a_version_that_was_approved_is_taken_and_a_candidate_s_is_not(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    approval = {name: value for name, value in APPROVED.items() if name != "reason"}
    first = published(tmp_path, run, reason="reviewed", **approval)
    assert not published(tmp_path, run, reason="reviewed", **approval).changed
    with pytest.raises(GateError, match=f"v1 is taken: {first.release} was approved"):
        published(tmp_path, run, reason="reviewed twice", **approval)
    assert published(tmp_path, run, "v2", reason="reviewed twice", **approval).changed
    candidate = released(tmp_path)
    assert candidate.version == "v1"
    assert candidate.place != first.place


KILLED = """
import os, signal, sys
from pathlib import Path
from model.io import storage
from model.release.publish import release
from model.release.signing import LocalSigner
run, to, key, writes = sys.argv[1:]
left, create = int(writes), storage.create
def dying(place, content):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    create(place, content)
storage.create = dying
release(Path(run), version="v1", to=to, signer=LocalSigner(Path(key)))
"""


def test_a_killed_release_is_none_and_the_next_run_finishes_it(tmp_path: Path) -> None:
    whole = released(tmp_path)
    expected, total = contents(whole.place), len(contents(whole.place))
    for writes in (1, total // 2, total - 1):
        to = tmp_path / f"after-{writes}"
        command = [sys.executable, "-c", KILLED, *map(str, (world().run, to, tmp_path / "key", writes))]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        place = to / "v1" / Path(whole.place).name
        assert len(contents(str(place))) == writes
        with pytest.raises(UserError):
            verify(str(place))
        done = release(world().run, version="v1", to=str(to), signer=LocalSigner(tmp_path / "key"))
        assert done.changed
        assert contents(str(place)) == expected


def test_two_releases_at_once_are_one(tmp_path: Path) -> None:
    LocalSigner(tmp_path / "key")
    if not (world().run / EVALUATION_FILE).exists():
        evaluate(world().run)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: released(tmp_path), range(4)))
    assert len({one.place for one in done}) == 1
    assert verify(done[0].place).holds


def test_a_release_by_another_key_is_not_taken_for_this_one(tmp_path: Path) -> None:
    released(tmp_path)
    with pytest.raises(UserError, match="not trusted"):
        release(world().run, version="v1", to=str(tmp_path / "models"), signer=LocalSigner(tmp_path / "other"))


def test_verify_tells_when_it_predicts_otherwise(tmp_path: Path) -> None:
    place = released(tmp_path).place
    reference = json.loads(Path(place, files.REFERENCE_FILE).read_text())
    reference["risks"][3] += 1e-9
    Path(place, files.REFERENCE_FILE).write_text(json.dumps(reference))
    place = relisted(place)
    signature = LocalSigner(tmp_path / "key").sign(Path(place, files.LIST_FILE).read_bytes())
    Path(place, files.SIGNATURE_FILE).write_text(json.dumps(asdict(signature)))
    found = verify(place)
    assert not found.holds
    [failed] = [check for check in found.checks if not check.holds]
    assert failed.name == "reference prediction"
    assert "predictions differ" in failed.found


def test_the_bill_of_materials_names_what_the_pipeline_needs(tmp_path: Path) -> None:
    bill = json.loads(contents(released(tmp_path).place)[files.SBOM_FILE])
    components = {component["name"]: component for component in bill["components"]}
    assert components.keys() >= {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl", "python"}
    assert components["numpy"]["version"] == np.__version__
    assert components["numpy"]["purl"] == f"pkg:pypi/numpy@{np.__version__}"
    assert all(component["licenses"] for component in bill["components"])
    assert not bill["metadata"].keys() & {"timestamp", "tools"}


def test_the_card_as_a_page_shows_what_looks_like_html(tmp_path: Path) -> None:
    text = contents(released(tmp_path).place)[files.CARD_FILE].decode()
    page = as_html(text + "\n<script>alert(1)</script>\n")
    assert page.count("<table>") >= 12
    assert "<h2>Ethical considerations</h2>" in page
    assert "<script>" not in page
    assert len({row.id for row in attributes().rows}) == 31


def test_answers_are_known_questions(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("developer: us | them\nfunding: ' '\n")
    assert read_answers(path) == {"developer": "us | them"}
    for text, says in (("develloper: us", "the nearest is developer"), ("- a", "KEY: TEXT"), ("a: [", "KEY: TEXT")):
        path.write_text(text)
        with pytest.raises(UserError, match=says):
            read_answers(path)
