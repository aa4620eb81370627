"""Entry point of the plugins, by executable name, with only the protocol modules of the SDK.

The protocol's modules lie inside the SDK, whose own import takes a third of a plugin's start, and the engine starts
plugins one after the other.
"""

import runpy
import sys
from importlib.util import find_spec, module_from_spec

_AROUND_PROTOCOL = ("pulumi", "pulumi.runtime")
_MODULES = {
    "pulumi-language-python": "local.plugins.host.language",
    "pulumi-resource-aws": "local.plugins.aws_provider",
    "pulumi-resource-vault": "local.plugins.vault_provider",
}


def _leave_out() -> None:
    """Replace the parent packages of ``pulumi.runtime.proto`` by empty packages."""
    for name in _AROUND_PROTOCOL:
        spec = find_spec(name)
        if spec is None:
            raise SystemExit(f"{name} is not installed; run `uv sync`")
        sys.modules[name] = module_from_spec(spec)


if __name__ == "__main__":
    _leave_out()
    runpy.run_module(_MODULES[sys.argv.pop(1)], run_name="__main__", alter_sys=True)
