"""Building all images: the lock, the archives, and what is done again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.images import build
from local.images.build import BuiltImage, build_all
from local.images.catalogue import ImageRecipe
from local.images.store import Recipe


class Project:
    """A project of two small images, of which one is named in the lock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self.out = folder / "build"
        self.code = "first"
        self.told: list[str] = []
        monkeypatch.setattr(build, "catalogue", self._catalogue)

    def build(self) -> dict[str, BuiltImage]:
        """Build, and note what was told."""
        self.told.clear()
        return build_all(self.cache, self.out, progress=self.told.append)

    def _catalogue(self, *, go: str, programs: Mapping[str, Path]) -> list[ImageRecipe]:
        assert (go, programs) == ("go", {})
        base, code = self._recipe("base", "base"), self._recipe("code", self.code)
        return [
            ImageRecipe("workloads", (base, code), ("python3",), lock_key="workloads"),
            ImageRecipe("pause", (base,), ("/pause",)),
        ]

    def _recipe(self, name: str, content: str) -> Recipe:
        def fill(root: Path) -> None:
            (root / name).write_text(content)

        return Recipe(name, (content,), fill)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


def test_the_lock_names_the_stack_s_images_by_digest(project: Project) -> None:
    built = project.build()
    lock = json.loads((project.out / "images.json").read_text())
    assert lock == {"workloads": built["workloads"].reference}
    assert built["workloads"].reference.startswith("hmlops.local/workloads@sha256:")
    assert built["pause"].tagged == "hmlops.local/pause:local"
    assert project.told == ["building image layer base", "building image layer code"]


def test_nothing_is_done_again_without_a_change(project: Project) -> None:
    first = project.build()
    times = {image.archive: image.archive.stat().st_mtime_ns for image in first.values()}
    assert project.build() == first
    assert project.told == []
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_change_of_code_makes_one_layer_and_one_image(project: Project) -> None:
    first = project.build()
    project.code = "second"
    second = project.build()
    assert project.told == ["building image layer code"]
    assert second["workloads"].reference != first["workloads"].reference
    assert second["pause"] == first["pause"]
    assert not first["workloads"].archive.exists()
    project.code = "first"
    assert project.build() == first
    assert project.told == []


def test_a_damaged_archive_is_written_again(project: Project) -> None:
    archive = project.build()["workloads"].archive
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    project.build()
    assert archive.read_bytes() == content


def test_a_layer_damaged_in_silence_is_built_again(project: Project) -> None:
    first = project.build()
    for image in first.values():
        image.archive.unlink()
    layer = next((project.cache / "images" / "layers").glob("code-*/layer.tar"))
    status, content = layer.stat(), layer.read_bytes()
    layer.write_bytes(content[:512] + b"X" + content[513:])
    os.utime(layer, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert project.build() == first
    assert project.told == ["building image layer code"]


def test_what_a_killed_build_left_is_cleared(project: Project) -> None:
    project.build()
    archives = project.cache / "images" / "archives"
    (archives / ".workloads.tar-left").touch()
    project.build()
    assert not (archives / ".workloads.tar-left").exists()
