"""Build the project's images and write the lock by which the stack names them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.images.catalogue import ImageRecipe, catalogue
from local.images.oci import CorruptLayerError, Image, write_archive
from local.images.sealed import forget, seal, sealed_digest
from local.images.store import LayerStore, Progress

PREFIX = "hmlops.local"
LOCK = "images.json"


@dataclass(frozen=True)
class BuiltImage:
    """An image that is ready to be imported.

    Parameters
    ----------
    name
        Its short name, such as ``workloads``.
    reference
        Its name by digest, which pods use.
    tagged
        Its name by tag, for settings that cannot follow a digest.
    archive
        The OCI archive.
    """

    name: str
    reference: str
    tagged: str
    archive: Path


def build_all(
    cache: Path, out: Path, *, progress: Progress, go: str = "go", programs: Mapping[str, Path] | None = None
) -> dict[str, BuiltImage]:
    """Build every image that is not built yet, and write ``images.json``.

    Parameters
    ----------
    cache
        The project's cache folder; layers and archives are kept in its ``images``.
    out
        The folder of the lock file.
    progress
        Function that shows the progress.
    go
        The Go command.
    programs
        Statically linked programs of the platform by name, each of which becomes an image.

    Returns
    -------
    dict
        The images by short name.
    """
    root = cache / "images"
    recipes = catalogue(go=go, programs=programs or {})
    store = LayerStore(root / "layers", progress)
    with store.locked():
        built = {recipe.name: _build(recipe, store, root / "archives") for recipe in recipes}
        _forget_old(root / "archives", built)
    lock = {recipe.lock_key: built[recipe.name].reference for recipe in recipes if recipe.lock_key}
    _write_if_changed(out / LOCK, json.dumps(lock, indent=2) + "\n")
    return built


def _build(recipe: ImageRecipe, store: LayerStore, archives: Path) -> BuiltImage:
    image = _image(recipe, store)
    if sealed_digest(_archive(image, archives)) is None:
        forget(_archive(image, archives))
        try:
            write_archive(image, _archive(image, archives))
        except CorruptLayerError as damaged:
            for layer in recipe.recipes:
                if store.get(layer).path == damaged.path:
                    store.discard(layer)
            image = _image(recipe, store)
            write_archive(image, _archive(image, archives))
        seal(_archive(image, archives))
    tagged = f"{image.name}:{image.tag}"
    return BuiltImage(recipe.name, image.reference, tagged, _archive(image, archives))


def _archive(image: Image, archives: Path) -> Path:
    name = image.name.removeprefix(f"{PREFIX}/")
    return archives / f"{name}-{image.reference.rpartition(':')[2][:16]}.tar"


def _image(recipe: ImageRecipe, store: LayerStore) -> Image:
    return Image(
        name=f"{PREFIX}/{recipe.name}",
        layers=tuple(store.get(layer) for layer in recipe.recipes),
        entrypoint=recipe.entrypoint,
        command=recipe.command,
        env=recipe.env,
        workdir=recipe.workdir,
    )


def _forget_old(archives: Path, built: dict[str, BuiltImage]) -> None:
    """Keep one archive an image: the layers are kept, so an older one is quickly made again."""
    current = {image.archive for image in built.values()}
    for archive in archives.glob("*.tar"):
        if archive not in current and archive.name.rpartition("-")[0] in built:
            forget(archive)
    for unfinished in archives.glob(".*"):
        unfinished.unlink()


def _write_if_changed(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_text() == content:
        return
    part = path.with_name(f".{path.name}.part")
    part.write_text(content)
    part.replace(path)
