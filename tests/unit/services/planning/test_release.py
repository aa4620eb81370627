"""The assigned release: nothing of another one is used."""

import shutil
from pathlib import Path

import pytest

from model.artifact import files
from model.definitions.features import definitions
from model.errors import UserError
from model.release.signing import LocalSigner
from model.scoring import Scorer
from services.planning.release import Approval, AssignedRelease, ReleaseSource, read
from tests.support.model.gates_world import APPROVED, OFFICER, forged, prepared, published

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("assigned")
    published(made, prepared(made), **APPROVED)
    return made


@pytest.fixture
def place(folder: Path) -> Path:
    [found] = (folder / "models" / "v1").iterdir()
    return found


@pytest.fixture
def keys(folder: Path) -> list[str]:
    return list(LocalSigner(folder / "key").public_keys().values())


def test_it_says_what_the_release_says(place: Path, keys: list[str]) -> None:
    release = read(str(place), f"v1@{place.name}", keys)
    scorer = Scorer.open(str(place))
    assert (release.model, release.version, release.digest) == (scorer.name, "v1", scorer.files.digest)
    assert release.short == place.name
    assert release.contract.names == scorer.names
    assert release.schema_version == definitions().version
    assert release.return_days == scorer.return_days
    assert release.approvals == (
        Approval("clinical", "clinical-safety-officer", OFFICER.partition(":")[2].strip()),
        Approval("ethics", "ethics-committee", "R. Roe"),
    )
    assert "ethics approval by ethics-committee:R. Roe: EC-2026-014" in (place / files.CARD_FILE).read_text()
    for risk in (0.0, *(band.start for band in release.bands), 1.0):
        assert release.band(risk) == next(band for band in release.bands if band.start <= risk)
    assert release.bands[-1].start == 0.0


@pytest.mark.parametrize("assigned", ["v2@{}", "v1@0123456789ab"])
def test_another_one_is_refused(place: Path, keys: list[str], assigned: str) -> None:
    with pytest.raises(UserError, match=r"not the assigned v2|its digest is"):
        read(str(place), assigned.format(place.name), keys)


def test_a_changed_one_is_refused(place: Path, keys: list[str], tmp_path: Path) -> None:
    changed = Path(shutil.copytree(place, tmp_path / place.name))
    policy = changed / files.POLICY_FILE
    policy.write_bytes(policy.read_bytes().replace(b"high", b"none"))
    with pytest.raises(UserError, match="is not what was released"):
        read(str(changed), f"v1@{place.name}", keys)


def test_one_of_another_signer_is_refused(place: Path, tmp_path: Path) -> None:
    stranger = LocalSigner(tmp_path / "key").public_keys().values()
    with pytest.raises(UserError, match="not trusted"):
        read(str(place), f"v1@{place.name}", list(stranger))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (files.CONTRACT_FILE, {"x-schema-version": 2}, "takes other features"),
        (files.CONTRACT_FILE, {"x-table": {"patient": "id", "time": None}}, "takes other features"),
        (files.CONTRACT_FILE, {"x-order": ["unknown"]}, "do not have the format"),
        (files.POLICY_FILE, {"bands": [{"name": "high"}]}, "do not have the format"),
        (files.POLICY_FILE, {"bands": [{"name": "very high", "from": 0, "action": ""}]}, "do not have the format"),
        (files.LINEAGE_FILE, {"release_class": "conversation"}, "has the class conversation, and workflows"),
        (files.LINEAGE_FILE, {"approval": "jane"}, "do not have the format"),
        (files.LINEAGE_FILE, {"return_days": 0}, "do not have the format"),
        (files.LINEAGE_FILE, {"return_days": "45"}, "do not have the format"),
    ],
)
def test_one_of_another_form_is_refused(
    place: Path, folder: Path, tmp_path: Path, name: str, values: dict[str, object], message: str
) -> None:
    shutil.copytree(folder / "key", tmp_path / "key") if (folder / "key").is_dir() else shutil.copy(
        folder / "key", tmp_path / "key"
    )
    copy = shutil.copytree(place, tmp_path / "copy")
    changed = forged(tmp_path, str(copy), name, **values)
    keys = list(LocalSigner(tmp_path / "key").public_keys().values())
    with pytest.raises(UserError, match=message):
        read(changed, f"v1@{Path(changed).name}", keys)


def test_a_failure_is_tried_again(place: Path, keys: list[str]) -> None:
    release = read(str(place), f"v1@{place.name}", keys)
    tries: list[AssignedRelease | None] = [None, release]

    def attempt() -> AssignedRelease:
        made = tries.pop(0)
        if made is None:
            raise UserError("The object store does not answer.")
        return made

    source = ReleaseSource(attempt)
    source.refresh()
    assert source.get() is None
    source.refresh()
    source.refresh()
    assert source.get() == release
    assert tries == []
