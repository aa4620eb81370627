"""A release scores nobody before its signature, name and predictions were checked."""

from pathlib import Path

import pytest

from model.artifact.trust import TRUSTED_KEYS
from model.errors import UserError
from model.release.signing import LocalSigner
from services.verified_release import open_verified
from tests.support.serving.model_servers import released

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released(tmp_path_factory.mktemp("release"))


def test_the_assigned_release_is_opened(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(TRUSTED_KEYS, LocalSigner(place.parents[1] / "key").public_keys()["v1"])
    for assigned in ("", f"v1@{place.name}"):
        assert open_verified(str(place), assigned).files.short == place.name
    for assigned, words in ((f"v2@{place.name}", "is v1, not the v2"), ("v1@0123456789ab", "not 0123456789ab")):
        with pytest.raises(UserError, match=words):
            open_verified(str(place), assigned)
    for keys, words in ((LocalSigner(tmp_path / "key").public_keys()["v1"], "not trusted"), ("", "is empty")):
        monkeypatch.setenv(TRUSTED_KEYS, keys)
        with pytest.raises(UserError, match=words):
            open_verified(str(place), f"v1@{place.name}")
