"""Types of charts: pinned, of one version with the charts, and there for every object that production declares."""

import subprocess
from pathlib import Path

import pytest

from infra.settings import Autoscaler
from local.cluster import crds
from local.errors import UserError
from local.tools import build
from local.tools.catalogue import KSERVE_VERSION
from tests.support.stack.mocked_stack import RELEASE, declare, settings
from workloads.platform.charts import table

MAKERS = (
    "cert-manager.io",
    "envoyproxy.io",
    "coreos.com",
    "gateway.networking.k8s.io",
    "karpenter.sh",
    "karpenter.k8s.aws",
)


def answering(stdout: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, stdout, "")


def test_every_object_of_production_has_its_type_in_the_embedded_cluster(tmp_path: Path) -> None:
    prod = declare(settings("prod", tmp_path, lambda c: c["hospitals"][0].update(release=RELEASE)))
    objects = {
        (group, resource.kind.lower())
        for resource in prod.resources
        if (group := str(resource.inputs.get("apiVersion", "")).rpartition("/")[0]) and group.endswith(MAKERS)
    }
    known = {tuple(name.split("_")) for _, names in crds.TYPES.values() for name in names}
    named = {
        (group, kind): {(group, plural) for plural in (f"{kind}s", f"{kind}es", f"{kind[:-1]}ies")} & known
        for group, kind in objects
    }
    assert [kind for kind, types in named.items() if not types] == []
    assert set().union(*named.values()) <= known


@pytest.mark.parametrize(
    ("chart", "module"),
    [
        ("cert-manager", "github.com/cert-manager/cert-manager"),
        ("envoy-gateway", "github.com/envoyproxy/gateway"),
        ("karpenter", "github.com/aws/karpenter-provider-aws"),
    ],
)
def test_types_are_of_the_charts_version(chart: str, module: str) -> None:
    [version] = [known.version for known in table().charts if known.name == chart]
    assert f"{module} v{version.removeprefix('v')}\n" in (crds.MODULE / "go.mod").read_text()


def test_kserve_is_the_same_here_and_in_production() -> None:
    charts = {chart.name: chart.version for chart in table().selected(Autoscaler.NONE)}
    assert charts["kserve"] == charts["kserve-crd"] == KSERVE_VERSION


def test_each_module_is_pinned_by_its_sum() -> None:
    sums = (crds.MODULE / "go.sum").read_text()
    for module in crds.TYPES:
        assert f"{module} v" in sums, module


def test_files_are_found_in_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "go", lambda: "go")
    told = "".join(f'{{"Path": "{module}", "Dir": "/kept/{at}"}}\n' for at, module in enumerate(crds.TYPES))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answering(told))
    found = crds.fetched()
    assert Path("/kept/1/deploy/crds/cert-manager.io_certificates.yaml") in found
    assert len(found) == sum(len(names) for _, names in crds.TYPES.values())


def test_a_registry_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "go", lambda: "go")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answering('{"Path": "x", "Error": "dial tcp"}', 1))
    with pytest.raises(UserError, match=r"could not be downloaded \(dial tcp\): check the network or GOPROXY"):
        crds.fetched()
