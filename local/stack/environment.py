"""Environment variables for standard tools (`eval "$(make -s env)"`)."""

import os
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from local.cluster import charts
from local.cluster.openbao import token_file
from local.paths import AWS_URL, BAO_URL, REPOSITORY, Home

PLUGINS = REPOSITORY / "local" / "plugins" / "bin"
LAUNCHER = REPOSITORY / "local" / "plugins" / "launch"
REGION = "us-east-1"


_HOST = "pulumi-language-python"
_KUBERNETES = "pulumi-resource-kubernetes"


def _pulumi_home(home: Home) -> Path:
    """Return the environment's Pulumi home, separate from the user's, since it links to this clone's plugins."""
    return home.pulumi / "home"


def _official(home: Home, plugin: str, kept_in: str) -> Path | None:
    """Return the official plugin of the SDK's version, if the user has installed it."""
    for folder in (os.environ.get("PULUMI_HOME"), Path.home() / ".pulumi"):
        if folder and Path(folder) != _pulumi_home(home):
            program = Path(folder) / "plugins" / kept_in / plugin
            if program.is_file():
                return program
    return None


def link_commands(home: Home, tools: dict[str, Path]) -> None:
    """Link user commands into the home's ``bin``, and plugins into the folders where the engine looks for them.

    The engine uses a language host next to its own executable, and resource plugins from its plugin folder
    by name and version. It also finds them on ``PATH``, but then prints a warning with every command.
    """
    folder = home.root / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"kubectl": tools["kubernetes"] / "kubectl", "bao": REPOSITORY / ".venv" / "bin" / "bao"}
    host = shutil.which(_HOST)
    # A shell with `make env` of another clone finds that clone's.
    if host is None or Path(host) == folder / _HOST or Path(host).resolve() == LAUNCHER:
        wanted[_HOST] = PLUGINS / _HOST
    for present in folder.iterdir():
        if present.name not in wanted and present.name != "pulumi":
            present.unlink()
    for name, target in wanted.items():
        _link(folder / name, target)
    _same_file(folder / "pulumi", tools["pulumi"] / "pulumi")
    _link_providers(home, [*PLUGINS.glob("pulumi-resource-*"), tools["pulumi-kubernetes"] / _KUBERNETES])


def _link_providers(home: Home, providers: Iterable[Path]) -> None:
    """Link the providers into the engine's plugin folder, with the versions of their SDKs."""
    folder = _pulumi_home(home) / "plugins"
    wanted = set()
    for provider in providers:
        name = provider.name.removeprefix("pulumi-resource-")
        kept_in = f"resource-{name}-v{version(f'pulumi-{name}')}"
        place = folder / kept_in / provider.name
        place.parent.mkdir(parents=True, exist_ok=True)
        # A folder that is not a link comes from `pulumi plugin install` and has the official plugin.
        if place.is_symlink() or not place.exists():
            _link(place, _official(home, provider.name, kept_in) or provider)
        wanted.add(place)
    for place in set(folder.glob("resource-*/pulumi-resource-*")) - wanted:
        # A link for another SDK version: the engine would use it for the version in the state.
        if place.is_symlink():
            shutil.rmtree(place.parent)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _same_file(path: Path, target: Path) -> None:
    """Hard-link or copy a file, since an executable started through a symbolic link sees the link's target."""
    if path.exists() and not path.is_symlink() and os.path.samestat(path.stat(), target.stat()):
        return
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(target)
    except OSError:  # on another disk
        shutil.copy2(target, path)


def variables(home: Home) -> dict[str, str]:
    """Return the variables, without secrets, which stay in files that only the owner can read."""
    authority = str(home.pki / "ca.crt")
    return {
        "HMLOPS_HOME": str(home.root),
        "KUBECONFIG": str(home.kubeconfig),
        "VAULT_ADDR": BAO_URL,
        "VAULT_CACERT": authority,
        "BAO_ADDR": BAO_URL,
        "BAO_CACERT": authority,
        "AWS_ENDPOINT_URL": AWS_URL,
        "AWS_CA_BUNDLE": authority,
        "PGSSLROOTCERT": authority,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_SHARED_CREDENTIALS_FILE": str(home.root / "aws" / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_HOME": str(_pulumi_home(home)),
        "PULUMI_BACKEND_URL": f"file://{home.pulumi}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(home.pulumi / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The stack's values take precedence over manual changes and leftovers of a killed update.
        "PULUMI_K8S_ENABLE_PATCH_FORCE": "true",
        # In a fresh clone the engine uses the salt of the state instead of a new one.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
    }


def search_path(home: Home) -> str:
    """Return the folders that precede the user's own in PATH."""
    return f"{home.root / 'bin'}:{REPOSITORY / '.venv' / 'bin'}"


def export(home: Home) -> str:
    """Return the export lines for a shell, which reads the token from its file."""
    lines = [f"export {name}='{value}'" for name, value in variables(home).items()]
    lines.append(f"export PATH='{search_path(home)}':\"$PATH\"")
    lines += [f"export {name}=\"$(cat '{token_file(home)}')\"" for name in ("VAULT_TOKEN", "BAO_TOKEN")]
    return "\n".join(lines)


def process(home: Home) -> dict[str, str]:
    """Return the complete environment of a command that is run for the user."""
    token = token_file(home).read_text().strip()
    own = {**variables(home), "VAULT_TOKEN": token, "BAO_TOKEN": token}
    return {**os.environ, **own, **charts.variables(home), "PATH": f"{search_path(home)}:{os.environ.get('PATH', '')}"}
