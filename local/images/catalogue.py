"""The project's images: which layers, which program, which settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from local.images import layers, uv
from local.images.debian import base
from local.images.store import Recipe

HERE = Path(__file__).resolve().parent
INITIALIZER = "app/storage_initializer.py"


@dataclass(frozen=True)
class ImageRecipe:
    """An image before its layers are built.

    Parameters
    ----------
    lock_key
        Its name in the lock that the stack reads; None for what only the node uses.
    """

    name: str
    recipes: tuple[Recipe, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    lock_key: str | None = None


def environment(kind: str) -> dict[str, str]:
    """Return the environment variables of a kind of program."""
    table = yaml.safe_load((HERE / "environment.yaml").read_text())
    return {name: str(value) for name, value in table[kind].items()}


def catalogue(*, go: str, programs: Mapping[str, Path]) -> list[ImageRecipe]:
    """Return the project's images, and one for each statically linked program of the platform.

    What several images need is one layer that they share, so the node stores and unpacks it once,
    and the model server carries nothing of what only the batch programs use.
    """
    model, serving, storage = uv.locked("model"), uv.locked("serving"), uv.locked("storage")
    services = uv.locked("services")
    python, server = environment("python"), environment("model-server")
    debian, code = base(), layers.code()
    shared = layers.wheels("shared-wheels", model & serving)
    initializer = layers.script("storage-initializer", HERE / "storage_initializer.py", INITIALIZER)
    images = [
        ImageRecipe(
            name="workloads",
            recipes=(
                debian,
                shared,
                layers.wheels("model-wheels", model - serving),
                layers.wheels("service-wheels", services - model),
                code,
            ),
            entrypoint=("python3",),
            env=python,
            workdir="/app",
            lock_key="workloads",
        ),
        ImageRecipe(
            name="model-server",
            recipes=(debian, shared, layers.wheels("serving-wheels", serving - model), code),
            entrypoint=("python3", "-m", "services.inference"),
            command=("/mnt/models",),
            env=python | server,
            workdir="/app",
            lock_key="modelServer",
        ),
        ImageRecipe(
            name="storage-initializer",
            recipes=(debian, layers.wheels("storage-wheels", storage), initializer),
            entrypoint=("python3", f"/{INITIALIZER}"),
            env=python,
            workdir="/app",
            lock_key="storageInitializer",
        ),
        ImageRecipe(
            name="agent",
            recipes=(debian, layers.agent()),
            entrypoint=("vault",),
            env=environment("agent"),
            lock_key="agent",
        ),
        ImageRecipe(
            name="envoy",
            recipes=(debian, layers.envoy()),
            entrypoint=("envoy",),
            env=environment("envoy"),
            lock_key="envoy",
        ),
        ImageRecipe(name="pause", recipes=(layers.pause(go),), entrypoint=("/pause",)),
    ]
    for name, program in programs.items():
        layer = layers.program(name, program)
        images.append(ImageRecipe(name=name, recipes=(layer,), entrypoint=(f"/{name}",), env={"PATH": "/"}))
    return images
