"""The variables by which ordinary tools find the environment (`eval "$(make -s env)"`)."""

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
    """Return Pulumi's own folder in this environment, apart from the user's: it names this clone's plugins."""
    return home.pulumi / "home"


def _official(home: Home, plugin: str, kept_in: str) -> Path | None:
    """Return the official plugin of the SDK's version, where the user has installed it."""
    for folder in (os.environ.get("PULUMI_HOME"), Path.home() / ".pulumi"):
        if folder and Path(folder) != _pulumi_home(home):
            found = Path(folder) / "plugins" / kept_in / plugin
            if found.is_file():
                return found
    return None


def link_commands(home: Home, tools: dict[str, Path]) -> None:
    """Put the commands that a user calls into the home's ``bin``, and plugins where the engine finds them.

    The engine takes a language host that lies beside its own executable, and resource plugins from its plugin folder
    by name and version. It finds them on ``PATH`` too, but every command then warns of it.
    """
    folder = home.root / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"kubectl": tools["kubernetes"] / "kubectl", "bao": REPOSITORY / ".venv" / "bin" / "bao"}
    found = shutil.which(_HOST)
    if found is None or Path(found).resolve() == LAUNCHER:
        wanted[_HOST] = PLUGINS / _HOST
    for present in folder.iterdir():
        if present.name not in wanted and present.name != "pulumi":
            present.unlink()
    for name, target in wanted.items():
        _link(folder / name, target)
    _same_file(folder / "pulumi", tools["pulumi"] / "pulumi")
    _link_providers(home, [*PLUGINS.glob("pulumi-resource-*"), tools["pulumi-kubernetes"] / _KUBERNETES])


def _link_providers(home: Home, providers: Iterable[Path]) -> None:
    """Put the providers into the engine's plugin folder, by the versions of their SDKs."""
    folder = _pulumi_home(home) / "plugins"
    wanted = set()
    for provider in providers:
        name = provider.name.removeprefix("pulumi-resource-")
        kept_in = f"resource-{name}-v{version(f'pulumi-{name}')}"
        place = folder / kept_in / provider.name
        place.parent.mkdir(parents=True, exist_ok=True)
        # What is no link was put there by `pulumi plugin install`, and is the official one.
        if place.is_symlink() or not place.exists():
            _link(place, _official(home, provider.name, kept_in) or provider)
        wanted.add(place)
    for place in set(folder.glob("resource-*/pulumi-resource-*")) - wanted:
        # Of another version of the SDK: the engine would take it for what the state names.
        if place.is_symlink():
            shutil.rmtree(place.parent)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _same_file(path: Path, target: Path) -> None:
    """Make a path a file of its own with another's content: an executable is told the place that a link leads to."""
    if path.exists() and not path.is_symlink() and os.path.samestat(path.stat(), target.stat()):
        return
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(target)
    except OSError:  # on another disk
        shutil.copy2(target, path)


def variables(home: Home) -> dict[str, str]:
    """Return the variables, without secrets: those stay in files that only the owner reads."""
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
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_SHARED_CREDENTIALS_FILE": str(home.root / "aws" / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_HOME": str(_pulumi_home(home)),
        "PULUMI_BACKEND_URL": f"file://{home.pulumi}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(home.pulumi / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # What the stack declares wins over what somebody changed by hand, or an update that was killed left behind.
        "PULUMI_K8S_ENABLE_PATCH_FORCE": "true",
        # In a fresh clone the engine takes the salt that the state has, and not a new one.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
    }


def search_path(home: Home) -> str:
    """Return the folders of commands that come before the user's own."""
    return f"{home.root / 'bin'}:{REPOSITORY / '.venv' / 'bin'}"


def export(home: Home) -> str:
    """Return the lines that a shell evaluates; it reads the token from its file itself."""
    lines = [f"export {name}='{value}'" for name, value in variables(home).items()]
    lines.append(f"export PATH='{search_path(home)}':\"$PATH\"")
    lines += [f"export {name}=\"$(cat '{token_file(home)}')\"" for name in ("VAULT_TOKEN", "BAO_TOKEN")]
    return "\n".join(lines)


def process(home: Home) -> dict[str, str]:
    """Return the whole environment of a command that is run for the user."""
    token = token_file(home).read_text().strip()
    own = {**variables(home), "VAULT_TOKEN": token, "BAO_TOKEN": token}
    return {**os.environ, **own, **charts.variables(home), "PATH": f"{search_path(home)}:{os.environ.get('PATH', '')}"}
