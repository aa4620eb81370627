"""CRDs of the charts that production installs, so that a rehearsal applies and validates their objects.

The charts themselves do not run here. The CRDs are YAML files of the upstream Go modules, each pinned by
``local/go/crds``; only those with objects in the stack are used.
"""

import json
import subprocess
from pathlib import Path

from local.errors import UserError
from local.tools import build
from local.tools.catalogue import GO_MODULES

MODULE = GO_MODULES / "crds"
# By Go module: the folder of its CRDs, and those that the stack uses.
TYPES = {
    "github.com/cert-manager/cert-manager": (
        "deploy/crds",
        ("cert-manager.io_certificates", "cert-manager.io_clusterissuers"),
    ),
    "github.com/envoyproxy/gateway": (
        "charts/gateway-helm/charts/crds/crds/generated",
        (
            "gateway.envoyproxy.io_backendtrafficpolicies",
            "gateway.envoyproxy.io_clienttrafficpolicies",
            "gateway.envoyproxy.io_envoyproxies",
            "gateway.envoyproxy.io_securitypolicies",
        ),
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd",
        ("monitoring.coreos.com_podmonitors", "monitoring.coreos.com_prometheusrules"),
    ),
    "sigs.k8s.io/gateway-api": (
        "config/crd/standard",
        (
            "gateway.networking.k8s.io_gatewayclasses",
            "gateway.networking.k8s.io_gateways",
            "gateway.networking.k8s.io_httproutes",
            "gateway.networking.k8s.io_referencegrants",
        ),
    ),
}


def fetched() -> list[Path]:
    """Return the CRD files, downloading modules that are missing in the cache.

    Raises
    ------
    UserError
        If there is no Go, or the module registry does not answer.
    """
    command = [build.go(), "mod", "download", "-json", *TYPES]
    done = subprocess.run(command, cwd=MODULE, env=build.go_environment(), capture_output=True, text=True, check=False)
    folders = {entry["Path"]: Path(entry["Dir"]) for entry in _entries(done.stdout) if "Dir" in entry}
    missing = sorted(TYPES.keys() - folders)
    if done.returncode != 0 or missing:
        lines = [entry["Error"] for entry in _entries(done.stdout) if "Error" in entry] or done.stderr.splitlines()
        raise UserError(
            f"The CRDs of production's charts could not be downloaded ({lines[-1] if lines else 'no reason given'}): "
            "check the network or GOPROXY, then run `make up` again."
        )
    return [folders[module] / folder / f"{name}.yaml" for module, (folder, names) in TYPES.items() for name in names]


def _entries(text: str) -> list[dict[str, str]]:
    """Return the JSON objects in the output of Go."""
    decoder, entries, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        entry, end = decoder.raw_decode(text, at)
        entries.append(entry)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return entries
