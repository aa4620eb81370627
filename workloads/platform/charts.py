"""The charts of the platform, from one table, each in its closed namespace and at one version."""

import string
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pulumi
import yaml
from pulumi_kubernetes.helm import v3 as helm
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac import v1 as rbac
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from infra.settings import names
from infra.settings.values import Autoscaler, Settings

TABLE = Path(__file__).with_name("charts.yaml")
TIMEOUT_SECONDS = 600
# The chart, its namespace and its account, which asks Vault for certificates.
CERT_MANAGER = "cert-manager"
_STRICT = ConfigDict(extra="forbid")
_AUTOSCALERS = "kube-system"


@checked(frozen=True, config=_STRICT)
class Ground:
    """A namespace of the platform, and what is open there; ``charts.yaml`` says what each field is for."""

    calls: tuple[Literal["api", "kubelets", "vault"], ...] = ()
    webhook: int | None = None
    inside: bool = False


@checked(frozen=True, config=_STRICT)
class Chart:
    """One chart at one version; ``charts.yaml`` says what each field is for."""

    name: str
    chart: str
    version: str
    namespace: str
    why: str
    repository: str | None = None
    autoscaler: Autoscaler | None = None
    values: dict[str, Any] = field(default_factory=dict)


@checked(frozen=True, config=_STRICT)
class ChartTable:
    """The namespaces of the platform, and the charts in them."""

    namespaces: dict[str, Ground]
    charts: tuple[Chart, ...]

    def __post_init__(self) -> None:
        for chart in self.charts:
            if chart.namespace not in (*self.namespaces, _AUTOSCALERS):
                raise ValueError(f"chart {chart.name} is in namespace {chart.namespace}, which charts.yaml lacks")
            if chart.chart.startswith("oci://") == bool(chart.repository):
                raise ValueError(f"chart {chart.name} needs a repository, or an oci:// address that holds it")

    def chosen(self, autoscaler: Autoscaler) -> list[Chart]:
        """Return the charts of an environment."""
        return [chart for chart in self.charts if chart.autoscaler in (None, autoscaler)]


@cache
def table() -> ChartTable:
    """Return the table."""
    return TypeAdapter(ChartTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class ChartsArgs:
    """Which charts.

    Parameters
    ----------
    settings
        The environment, which names the cluster and chooses the autoscaler.
    namespaces
        The namespaces that stand, by name.
    """

    settings: Settings
    namespaces: dict[str, pulumi.Output[str]]


class Charts(pulumi.ComponentResource):
    """Every chart as a release of Helm; ``releases`` are what objects of their types wait for."""

    releases: list[pulumi.Resource]

    def __init__(self, name: str, args: ChartsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Charts", name, None, opts)
        self.releases = []
        for chart in table().chosen(args.settings.options.autoscaler):
            self.releases.append(self._release(chart, args))
        # Vault has the tokens of cert-manager's account reviewed by themselves, as it does with every pod's.
        rbac.ClusterRoleBinding(
            CERT_MANAGER,
            metadata=ObjectMetaArgs(name=f"{names.PROJECT}-{CERT_MANAGER}-token-review", labels=names.labels()),
            role_ref=rbac.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="system:auth-delegator"
            ),
            subjects=[rbac.SubjectArgs(kind="ServiceAccount", name=CERT_MANAGER, namespace=CERT_MANAGER)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def _release(self, chart: Chart, args: ChartsArgs) -> helm.Release:
        # A later chart may need the types of an earlier one.
        after = self.releases[-1:]
        return helm.Release(
            chart.name,
            name=chart.name,
            chart=chart.chart,
            version=chart.version,
            repository_opts=helm.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
            namespace=args.namespaces.get(chart.namespace, chart.namespace),
            values=values(chart, args.settings),
            # What half an update left is taken back, so that the next one starts from what runs.
            atomic=True,
            timeout=TIMEOUT_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )


def values(chart: Chart, settings: Settings) -> dict[str, Any]:
    """Return a chart's values for an environment."""
    known = {
        "cluster": names.stem(settings.environment),
        "region": settings.region,
        "vault": settings.endpoints.vault.url,
    }
    return {key: _filled(value, known) for key, value in chart.values.items()}


def _filled(value: Any, known: dict[str, str]) -> Any:
    match value:
        case str():
            return string.Template(value).substitute(known)
        case dict():
            return {key: _filled(item, known) for key, item in value.items()}
        case list():
            return [_filled(item, known) for item in value]
        case _:
            return value
