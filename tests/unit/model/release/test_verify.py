"""A release is refused when anything in it changed, and when nobody trusts its signature."""

import json
import shutil
from pathlib import Path

import pytest

from model.artifact import files
from model.errors import UserError
from model.release.signing import LocalSigner
from model.release.verify import verify
from model.scoring import Scorer
from tests.support.model.release_world import released, relisted, signed_again

pytestmark = pytest.mark.process


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


def test_a_stranger_cannot_sign(tmp_path: Path) -> None:
    done = released(tmp_path)
    own, stranger = LocalSigner(tmp_path / "key"), LocalSigner(tmp_path / "stranger")
    assert verify(done.place, trusted=own.public_keys().values()).trusted
    with pytest.raises(UserError, match="not trusted"):
        verify(done.place, trusted=stranger.public_keys().values())


def test_verify_tells_when_it_predicts_otherwise(tmp_path: Path) -> None:
    place = released(tmp_path).place
    reference = json.loads(Path(place, files.REFERENCE_FILE).read_text())
    reference["risks"][3] += 1e-9
    Path(place, files.REFERENCE_FILE).write_text(json.dumps(reference))
    found = verify(signed_again(place, LocalSigner(tmp_path / "key")))
    assert not found.holds
    [failed] = [check for check in found.checks if not check.holds]
    assert failed.name == "reference prediction"
    assert "predictions differ" in failed.found
