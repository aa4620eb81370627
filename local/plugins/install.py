"""Put the plugins where the engine finds them without a word.

The engine takes a language host that lies beside its own executable, and resource plugins
from its plugin folder by name and version. What is found on ``PATH`` works too, but each
command then warns about it, and it would win over an official plugin.
"""

import os
from importlib.metadata import version
from pathlib import Path

_LAUNCHERS = Path(__file__).resolve().parent / "bin"
_RESOURCES = {"kubernetes": "pulumi-kubernetes", "vault": "pulumi-vault", "aws": "pulumi-aws"}


def install(cli: Path, home: Path) -> list[Path]:
    """Install the language host beside the CLI, and each resource plugin that is not there yet.

    Parameters
    ----------
    cli
        The ``pulumi`` executable.
    home
        Pulumi's own folder (``PULUMI_HOME``, by default ``~/.pulumi``).

    Returns
    -------
    list of Path
        What was written; an official plugin of the same version is left as it is.
    """
    written = []
    host = cli.resolve().parent / "pulumi-language-python"
    if not host.exists() or _is_ours(host):
        written += _write(host, _launch(_LAUNCHERS / host.name))
    for name, distribution in _RESOURCES.items():
        folder = home / "plugins" / f"resource-{name}-v{version(distribution)}"
        plugin = folder / f"pulumi-resource-{name}"
        if not plugin.exists() or _is_ours(plugin):
            folder.mkdir(parents=True, exist_ok=True)
            written += _write(plugin, _launch(_LAUNCHERS / plugin.name))
    return written


def _launch(target: Path) -> str:
    return f'#!/bin/sh\n# Written by healthcare-mlops.\nexec "{target}" "$@"\n'


def _is_ours(path: Path) -> bool:
    with path.open("rb") as stream:
        return b"Written by healthcare-mlops" in stream.read(200)


def _write(path: Path, text: str) -> list[Path]:
    if path.exists() and path.read_text() == text:
        return []
    # Renamed into place, so that an engine that starts meanwhile never reads half a file.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.chmod(0o755)
    partial.replace(path)
    return [path]
