"""OCI image archives: a tar of content-addressed blobs that a container runtime imports."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

EPOCH = "1970-01-01T00:00:00Z"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEX = "application/vnd.oci.image.index.v1+json"
PLATFORM = {"architecture": "amd64", "os": "linux"}
CHUNK = 1 << 20


class CorruptLayerError(Exception):
    """A layer's bytes are not those that were built."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"the layer {path} has changed since it was built")
        self.path = path


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer on disk, whose digest is also its diff id."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Image:
    """Layers and configuration of an image, lowest layer first."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "65532:65532"
    tag: str = "local"

    def config_blob(self) -> bytes:
        """Return the image's configuration."""
        return _json(
            {
                **PLATFORM,
                "created": EPOCH,
                "config": {
                    "User": self.user,
                    "Env": [f"{name}={value}" for name, value in sorted(self.env.items())],
                    "Entrypoint": list(self.entrypoint),
                    "Cmd": list(self.command),
                    "WorkingDir": self.workdir,
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in self.layers]},
                "history": [{"created": EPOCH} for _ in self.layers],
            }
        )

    def manifest_blob(self) -> bytes:
        """Return the manifest, whose digest is the image's."""
        config = self.config_blob()
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest(config), "size": len(config)},
                "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in self.layers],
            }
        )

    @property
    def reference(self) -> str:
        """The name by digest, as a pod must say it."""
        return f"{self.name}@{digest(self.manifest_blob())}"

    def index_blob(self) -> bytes:
        """Return the archive's index.

        It names the manifest by digest and by tag: an import then makes both names, and the
        runtime finds the image by digest without having pulled it.
        """
        manifest = self.manifest_blob()
        descriptor = {"mediaType": MANIFEST, "digest": digest(manifest), "size": len(manifest)}
        names = (self.reference, f"{self.name}:{self.tag}")
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [
                    {
                        **descriptor,
                        "platform": PLATFORM,
                        "annotations": {"io.containerd.image.name": name},
                    }
                    for name in names
                ],
            }
        )


def digest(content: bytes) -> str:
    """Return the OCI digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def file_digest(path: Path) -> str:
    """Return the OCI digest of a file."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def write_archive(image: Image, path: Path) -> None:
    """Write an image's archive, whole or not at all.

    Raises
    ------
    CorruptLayerError
        If a layer's file does not have the digest that it was stored with.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                _write(image, archive)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write(image: Image, archive: tarfile.TarFile) -> None:
    _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    for layer in dict.fromkeys(image.layers):
        if not layer.path.is_file() or layer.path.stat().st_size != layer.size:
            raise CorruptLayerError(layer.path)
        with layer.path.open("rb") as stream:
            hashed = _HashedReader(stream)
            archive.addfile(_entry(_blob(layer.digest), layer.size), hashed)
        if hashed.digest != layer.digest:
            raise CorruptLayerError(layer.path)
    for blob in (image.config_blob(), image.manifest_blob()):
        _add(archive, _blob(digest(blob)), blob)
    _add(archive, "index.json", image.index_blob())


class _HashedReader(io.RawIOBase):
    """Hash what is read, so that copying and checking cost one pass."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._hash.update(content)
        return content

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _blob(name: str) -> str:
    return f"blobs/{name.replace(':', '/')}"


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    return entry


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_entry(name, len(content)), io.BytesIO(content))


def _json(value: Mapping[str, object] | Sequence[object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
