"""A pipeline is loaded without running anything that its pickle names."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from model.artifact import files
from model.artifact.loading import load
from model.errors import UserError
from model.release.signing import LocalSigner
from model.scoring import Scorer
from tests.support.model.release_world import released, signed_again

pytestmark = pytest.mark.process


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
