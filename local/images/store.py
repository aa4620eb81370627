"""The cache of built layers, keyed by what each is made of."""

import fcntl
import hashlib
import json
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.images.oci import Layer
from local.images.sealed import seal, sealed_digest

# Raised when the way in which layers are made changes, so that none of an older way is used.
FORMAT = "1"
LAYER_FILE = "layer.tar"
TEMPORARY = ".building-"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """Recipe of a layer.

    Parameters
    ----------
    name
        What people call the layer.
    inputs
        Everything that decides the layer's content; a change of any makes another layer.
    fill
        Puts the layer's files into an empty folder.
    """

    name: str
    inputs: tuple[str, ...]
    fill: Callable[[Path], None]

    @property
    def key(self) -> str:
        """The name under which the layer is kept."""
        content = json.dumps([FORMAT, self.name, *self.inputs])
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


class LayerStore:
    """Layers on disk: built once, renamed into place when whole, checked when used.

    Parameters
    ----------
    root
        The folder that holds them.
    progress
        Function that shows the progress.
    """

    def __init__(self, root: Path, progress: Progress) -> None:
        self._root = root
        self._progress = progress

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builds out, and clear what a killed one left."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self._root.glob(f"{TEMPORARY}*"):
                shutil.rmtree(left)
            yield

    def get(self, recipe: Recipe) -> Layer:
        """Return a layer, built now unless a sound one is kept."""
        folder = self._root / recipe.key
        kept = self._kept(folder)
        if kept is not None:
            return kept
        self.discard(recipe)
        self._progress(f"building image layer {recipe.name}")
        with tempfile.TemporaryDirectory(dir=self._root, prefix=TEMPORARY) as name:
            work = Path(name)
            (work / "root").mkdir()
            recipe.fill(work / "root")
            (work / "layer").mkdir()
            path = work / "layer" / LAYER_FILE
            write_layer(work / "root", path)
            layer = Layer(folder / LAYER_FILE, seal(path), path.stat().st_size)
            (work / "layer").rename(folder)
        return layer

    def discard(self, recipe: Recipe) -> None:
        """Forget a layer."""
        shutil.rmtree(self._root / recipe.key, ignore_errors=True)

    def _kept(self, folder: Path) -> Layer | None:
        path = folder / LAYER_FILE
        digest = sealed_digest(path)
        if digest is None:
            if folder.exists():
                self._progress(f"the cached layer {folder.name} is damaged and is built again")
            return None
        return Layer(path, digest, path.stat().st_size)


def write_layer(root: Path, path: Path) -> None:
    """Write a folder as a layer that depends on names, modes and contents only."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for item in sorted(root.rglob("*")):
            mode = item.lstat().st_mode
            entry = tarfile.TarInfo(item.relative_to(root).as_posix())
            entry.mode = stat.S_IMODE(mode)
            if stat.S_ISLNK(mode):
                entry.type, entry.linkname = tarfile.SYMTYPE, str(item.readlink())
                archive.addfile(entry)
            elif stat.S_ISDIR(mode):
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            elif stat.S_ISREG(mode):
                entry.size = item.stat().st_size
                with item.open("rb") as stream:
                    archive.addfile(entry, stream)
