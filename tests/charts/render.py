"""Rendering of the platform's Helm charts, as far as Go modules carry them."""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.settings import Settings
from local.errors import UserError
from local.tools import build, modules
from local.tools.catalogue import GO_MODULES, HELM, KUBERNETES_VERSION
from workloads.platform.charts import Chart, values

MODULE = GO_MODULES / "charts"


@dataclass(frozen=True)
class Source:
    """A chart in a Go module.

    Parameters
    ----------
    module, folder
        The Go module, and the folder of the chart in it.
    template
        A file that a release of the project fills in as ``values.yaml``; empty where there is none.
    words
        The words of that file, and what a release fills in.
    """

    module: str
    folder: str
    template: str = ""
    words: dict[str, str] = field(default_factory=dict)


SOURCES = {
    "cert-manager": Source("github.com/cert-manager/cert-manager", "deploy/charts/cert-manager"),
    "kserve-crd": Source("github.com/kserve/kserve", "charts/kserve-crd"),
    "kserve": Source("github.com/kserve/kserve", "charts/kserve-resources"),
    "envoy-gateway": Source(
        "github.com/envoyproxy/gateway",
        "charts/gateway-helm",
        "values.tmpl.yaml",
        {"${GatewayImage}": "docker.io/envoyproxy/gateway:v1.9.1", "${GatewayImagePullPolicy}": "IfNotPresent"},
    ),
    "karpenter": Source("github.com/aws/karpenter-provider-aws", "charts/karpenter"),
}
# Charts that no Go module carries, so that they can only be judged by their values.
UNAVAILABLE = ("kube-prometheus-stack", "vault", "argo-cd", "cluster-autoscaler")


def digest_of_values(chart: Chart, settings: Settings) -> str:
    """Return the digest of a chart's version and values, which a rendering belongs to."""
    text = json.dumps([chart.version, chart.namespace, values(chart, settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def rendered(charts: list[Chart], settings: Settings, progress: Callable[[str], None]) -> dict[str, str]:
    """Return the rendered text of each chart by name.

    Raises
    ------
    UserError
        If Helm cannot be built, a module cannot be fetched, or a chart does not render.
    """
    helm = build.build(HELM, progress=progress) / "helm"
    places = modules.folders(MODULE, {SOURCES[chart.name].module for chart in charts})
    found = {}
    with tempfile.TemporaryDirectory() as root:
        for chart in charts:
            source = SOURCES[chart.name]
            folder = _copied(places[source.module] / source.folder, Path(root) / chart.name, source, chart.version)
            found[chart.name] = _template(helm, folder, chart, values(chart, settings))
    return found


def _copied(chart: Path, target: Path, source: Source, version: str) -> Path:
    """Copy a chart as a release has it: with its version and its values filled in."""
    shutil.copytree(chart, target, copy_function=shutil.copyfile)
    about = target / "Chart.yaml"
    # A release fills in its version, as image tags are taken from it.
    lines = re.sub(r"(?m)^(version|appVersion):.*$", rf"\1: {version}", about.read_text(encoding="utf-8"))
    about.write_text(lines, encoding="utf-8")
    if source.template:
        text = (target / source.template).read_text(encoding="utf-8")
        for word, value in source.words.items():
            text = text.replace(word, value)
        (target / "values.yaml").write_text(text, encoding="utf-8")
    return target


def _template(helm: Path, folder: Path, chart: Chart, chart_values: dict[str, Any]) -> str:
    written = folder.with_suffix(".values.yaml")
    written.write_text(yaml.safe_dump(chart_values), encoding="utf-8")
    version = KUBERNETES_VERSION.removeprefix("v")
    command = [str(helm), "template", chart.name, str(folder), "--namespace", chart.namespace, "--values", str(written)]
    command += ["--include-crds", "--kube-version", version]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"chart {chart.name} {chart.version} does not render: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout
