"""Layers and archives: reproducible, never half-made, and mended when damaged."""

import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from local.errors import UserError
from local.images import debian, layers, uv
from local.images.catalogue import environment
from local.images.oci import CorruptLayerError, Image, Layer, file_digest, write_archive
from local.images.store import LayerStore, Recipe


class Builds:
    """Counts how often a recipe is carried out."""

    def __init__(self) -> None:
        self.count = 0

    def recipe(self, *inputs: str) -> Recipe:
        """Return a recipe of one file and one link."""
        return Recipe("demo", inputs, self._fill)

    def _fill(self, root: Path) -> None:
        self.count += 1
        (root / "bin").mkdir()
        (root / "bin" / "tool").write_text("content")
        (root / "bin" / "tool").chmod(0o755)
        (root / "bin" / "alias").symlink_to("tool")


@pytest.fixture
def builds() -> Builds:
    return Builds()


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "layers", _ignore)


def _ignore(line: str) -> None:
    assert line


def _image(*parts: Layer) -> Image:
    return Image("hmlops.local/demo", parts, entrypoint=("/bin/tool",), env={"A": "1"})


def test_a_layer_is_built_once_and_again_when_an_input_changes(store: LayerStore, builds: Builds) -> None:
    with store.locked():
        first = store.get(builds.recipe("a"))
        assert store.get(builds.recipe("a")) == first
        assert builds.count == 1
        assert store.get(builds.recipe("b")).digest == first.digest
        assert builds.count == 2


def test_the_same_files_give_the_same_layer_anywhere_at_any_time(tmp_path: Path, builds: Builds) -> None:
    found = set()
    for name in ("one", "two"):
        store = LayerStore(tmp_path / name, _ignore)
        with store.locked():
            layer = store.get(builds.recipe("a"))
        found.add(layer.digest)
        with tarfile.open(layer.path) as archive:
            members = archive.getmembers()
        assert [member.name for member in members] == ["bin", "bin/alias", "bin/tool"]
        assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}
        assert members[1].linkname == "tool"
        assert members[2].mode == 0o755
    assert len(found) == 1
    assert builds.count == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "note", "gone"])
def test_a_damaged_layer_is_built_again(store: LayerStore, builds: Builds, damage: str) -> None:
    with store.locked():
        layer = store.get(builds.recipe("a"))
        note = layer.path.with_name("layer.tar.json")
        content = layer.path.read_bytes()
        if damage == "flip":
            layer.path.write_bytes(content[:600] + b"\x01" + content[601:])
        elif damage == "cut":
            layer.path.write_bytes(content[:600])
        elif damage == "note":
            note.write_text("{")
        else:
            note.unlink()
        assert store.get(builds.recipe("a")) == layer
        assert builds.count == 2
        assert file_digest(layer.path) == layer.digest


def test_a_copied_cache_is_used_after_its_bytes_are_checked(store: LayerStore, builds: Builds) -> None:
    with store.locked():
        layer = store.get(builds.recipe("a"))
        os.utime(layer.path, (0, 0))
        assert store.get(builds.recipe("a")) == layer
    assert builds.count == 1


def test_an_interrupted_build_is_never_used(tmp_path: Path, builds: Builds) -> None:
    def fails(root: Path) -> None:
        (root / "half").touch()
        raise UserError("stopped")

    folder = tmp_path / "layers"
    store = LayerStore(folder, _ignore)
    with pytest.raises(UserError, match="stopped"), store.locked():
        store.get(Recipe("demo", ("a",), fails))
    (folder / ".building-killed" / "root").mkdir(parents=True)
    with store.locked():
        assert [path.name for path in folder.iterdir()] == [".lock"]
        assert store.get(builds.recipe("a")).path.is_file()


def test_an_archive_holds_what_its_digests_say(tmp_path: Path, store: LayerStore, builds: Builds) -> None:
    with store.locked():
        image = _image(store.get(builds.recipe("a")))
    path = tmp_path / "out" / "demo.tar"
    write_archive(image, path)
    blobs = {}
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            assert stream is not None
            blobs[member.name] = stream.read()
    for name, content in blobs.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    named = json.loads(blobs["index.json"])["manifests"]
    assert [entry["annotations"]["io.containerd.image.name"] for entry in named] == [
        image.reference,
        "hmlops.local/demo:local",
    ]
    manifest = json.loads(blobs[f"blobs/sha256/{named[0]['digest'].removeprefix('sha256:')}"])
    assert image.reference == f"hmlops.local/demo@{named[0]['digest']}"
    config = json.loads(blobs[f"blobs/{manifest['config']['digest'].replace(':', '/')}"])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"]["User"] == "65532:65532"
    first = path.read_bytes()
    write_archive(image, path)
    assert path.read_bytes() == first


def test_a_layer_damaged_in_silence_is_found_when_archived(tmp_path: Path, store: LayerStore, builds: Builds) -> None:
    with store.locked():
        layer = store.get(builds.recipe("a"))
    status = layer.path.stat()
    content = layer.path.read_bytes()
    layer.path.write_bytes(content[:600] + b"\x01" + content[601:])
    os.utime(layer.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    out = tmp_path / "out"
    with pytest.raises(CorruptLayerError):
        write_archive(_image(layer), out / "demo.tar")
    assert list(out.iterdir()) == []


def test_a_change_of_settings_is_another_image(store: LayerStore, builds: Builds) -> None:
    with store.locked():
        layer = store.get(builds.recipe("a"))
    other = Image("hmlops.local/demo", (layer,), entrypoint=("/bin/tool",), env={"A": "2"})
    assert other.reference != _image(layer).reference


def test_the_code_layer_holds_programs_and_their_data_only(tmp_path: Path) -> None:
    for name in (
        "model/a.py",
        "model/rules.yaml",
        "model/plots.mplstyle",
        "model/.hidden",
        "model/tests/test_a.py",
        "services/b.py",
        "infra/c.py",
        "model/x.pyc",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    recipe = layers.code(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    recipe.fill(root)
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert found == {"app/model/a.py", "app/model/plots.mplstyle", "app/model/rules.yaml", "app/services/b.py"}
    (tmp_path / "model" / "a.py").write_text("changed = True")
    assert layers.code(tmp_path).key != recipe.key


def test_pruning_keeps_what_runs(tmp_path: Path) -> None:
    for name in ("bin/tool", "pandas/tests/test_x.py", "pandas/core.py", "pandas/core.pyx", "pandas/testing/x.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    layers.prune(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "pandas/core.py",
        "pandas/testing/x.py",
    }


def test_requirements_of_the_lock_are_pinned_with_hashes() -> None:
    model, serving = uv.locked("model"), uv.locked("serving")
    for line in model | serving:
        assert "==" in line
        assert "--hash=sha256:" in line
    shared = {line.split("==")[0] for line in model & serving}
    assert {"scikit-learn", "pandas", "numpy"} <= shared
    assert "mlserver" not in {line.split("==")[0] for line in model}


def test_an_unknown_group_is_one_sentence() -> None:
    with pytest.raises(UserError, match="the dependency group 'nothing'"):
        uv.locked("nothing")


def test_apt_sources_follow_the_machine(tmp_path: Path) -> None:
    lines = [
        "https://mirror.example/debian/|trixie|main|Debian",
        "https://mirror.example/debian/|trixie|main|Debian",
        "https://mirror.example/debian/|trixie|contrib|Debian",
        "https://mirror.example/security/|trixie-security|main|Debian",
        "https://mirror.example/debian/|trixie-backports|main|Debian",
        "https://other.example/|stable|main|Other",
    ]
    assert debian.sources("\n".join(lines)) == [
        "deb https://mirror.example/debian/ bookworm main",
        "deb https://mirror.example/security/ bookworm-security main",
    ]
    with pytest.raises(UserError, match="apt has no Debian mirror"):
        debian.sources("")


def test_only_settings_that_reach_a_mirror_are_taken_from_apt() -> None:
    kept = 'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Retries "3";\n'
    dump = f'APT "";\n{kept}Acquire::https "";\nDir "/";\n'
    assert debian.settings(dump) == kept


def test_missing_programs_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs the program"):
        layers.program("coredns", tmp_path / "coredns")
    with pytest.raises(UserError, match="needs Go"):
        layers.pause(str(tmp_path / "go")).fill(tmp_path)


def test_every_python_image_can_write_only_below_tmp() -> None:
    both = environment("python") | environment("model-server")
    written = {name: both[name] for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "MLSERVER_METRICS_DIR")}
    assert all(Path(value).parts[:2] == ("/", "tmp") for value in written.values())
    assert both["PYTHONDONTWRITEBYTECODE"] == "1"
