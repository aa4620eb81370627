"""The variables by which ordinary tools find the environment (`eval "$(make -s env)"`)."""

import os
import shutil
from pathlib import Path

from local.openbao import token_file
from local.paths import AWS_URL, BAO_URL, REPOSITORY, Home

PLUGINS = REPOSITORY / "local" / "plugins" / "bin"
REGION = "us-east-1"


def _official(plugin: str) -> bool:
    """Tell whether the official plugin is installed, which is then used instead of ours."""
    if plugin == "pulumi-language-python":
        found = shutil.which(plugin)
        return found is not None and Path(found).resolve().parent != PLUGINS
    kind = plugin.removeprefix("pulumi-")
    installed = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi")) / "plugins"
    return any(installed.glob(f"{kind}-v*"))


def link_commands(home: Home, tools: dict[str, Path]) -> None:
    """Fill the home's ``bin`` with the commands that a user calls and the plugins that are needed."""
    folder = home.root / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"kubectl": tools["kubernetes"] / "kubectl", "pulumi": tools["pulumi"] / "pulumi"}
    wanted |= {plugin.name: plugin for plugin in PLUGINS.iterdir() if not _official(plugin.name)}
    wanted["bao"] = REPOSITORY / ".venv" / "bin" / "bao"
    for present in folder.iterdir():
        if present.name not in wanted:
            present.unlink()
    for name, target in wanted.items():
        link = folder / name
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


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
        "PULUMI_BACKEND_URL": f"file://{home.pulumi}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(home.pulumi / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
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
    return {**os.environ, **own, "PATH": f"{search_path(home)}:{os.environ.get('PATH', '')}"}
