"""Helm releases of the platform, from the table ``charts.yaml``."""

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
from pydantic.dataclasses import dataclass as validated

from infra.cluster.image_repositories import images
from infra.settings import Autoscaler, Settings, names

TABLE = Path(__file__).with_name("charts.yaml")
TIMEOUT_SECONDS = 600
# Name of the chart, its namespace and its ServiceAccount, which requests certificates from Vault.
CERT_MANAGER = "cert-manager"
_STRICT = ConfigDict(extra="forbid")
_KUBE_SYSTEM = "kube-system"


@validated(frozen=True, config=_STRICT)
class PlatformNamespace:
    """A namespace of the platform and its allowed connections; ``charts.yaml`` documents the fields."""

    egress: tuple[Literal["api", "kubelets", "vault"], ...] = ()
    webhook_port: int | None = None
    internal: bool = False


@validated(frozen=True, config=_STRICT)
class Chart:
    """A Helm chart; ``charts.yaml`` documents the fields."""

    name: str
    chart: str
    version: str
    namespace: str
    purpose: str
    repository: str | None = None
    autoscaler: Autoscaler | None = None
    values: dict[str, Any] = field(default_factory=dict)


@validated(frozen=True, config=_STRICT)
class ChartTable:
    """Namespaces and charts of the platform."""

    namespaces: dict[str, PlatformNamespace]
    charts: tuple[Chart, ...]

    def __post_init__(self) -> None:
        for chart in self.charts:
            if chart.namespace not in (*self.namespaces, _KUBE_SYSTEM):
                raise ValueError(
                    f"chart {chart.name} is in the namespace {chart.namespace}, which charts.yaml does not define"
                )
            if chart.chart.startswith("oci://") == bool(chart.repository):
                raise ValueError(f"chart {chart.name} needs either a repository or an oci:// URL")

    def selected(self, autoscaler: Autoscaler) -> list[Chart]:
        """Return the charts of a stack with this autoscaler."""
        return [chart for chart in self.charts if chart.autoscaler in (None, autoscaler)]


@cache
def table() -> ChartTable:
    """Return the table of charts."""
    return TypeAdapter(ChartTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class ChartsArgs:
    """Arguments of the Helm releases.

    Parameters
    ----------
    settings
        The stack's settings, with the option ``autoscaler``.
    namespaces
        The platform's namespaces by name.
    """

    settings: Settings
    namespaces: dict[str, pulumi.Output[str]]


class Charts(pulumi.ComponentResource):
    """Helm releases of the platform; objects of the charts' custom resource types depend on ``releases``."""

    releases: list[pulumi.Resource]

    def __init__(self, name: str, args: ChartsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Charts", name, None, opts)
        self.releases = []
        for chart in table().selected(args.settings.options.autoscaler):
            self.releases.append(self._release(chart, args))
        # cert-manager logs in to Vault, which reviews its token with that token.
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
        # Charts may use custom resource definitions of the charts before them.
        previous = self.releases[-1:]
        return helm.Release(
            chart.name,
            name=chart.name,
            chart=chart.chart,
            version=chart.version,
            repository_opts=helm.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
            namespace=args.namespaces.get(chart.namespace, chart.namespace),
            values=values(chart, args.settings),
            # A failed upgrade is rolled back.
            atomic=True,
            timeout=TIMEOUT_SECONDS,
            opts=pulumi.ResourceOptions(parent=self, depends_on=previous),
        )


def values(chart: Chart, settings: Settings) -> dict[str, Any]:
    """Return the values of a chart for a stack."""
    repository, _, digest = images(settings).agent.rpartition(":")
    variables = {
        "cluster": names.stem(settings.environment),
        "region": settings.region,
        "vault": settings.endpoints.vault.url,
        "vault_namespace": settings.vault.namespace or "",
        "agent_repository": repository,
        "agent_digest": digest,
    }
    return {key: _substitute(value, variables) for key, value in chart.values.items()}


def _substitute(value: Any, variables: dict[str, str]) -> Any:
    match value:
        case str():
            return string.Template(value).substitute(variables)
        case dict():
            return {key: _substitute(item, variables) for key, item in value.items()}
        case list():
            return [_substitute(item, variables) for item in value]
        case _:
            return value
