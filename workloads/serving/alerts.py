"""PodMonitors and PrometheusRule of a hospital: scraped metrics, and alerts from the table ``alerts.yaml``."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pulumi
import yaml
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.settings import Hospital, names
from infra.settings.releases import Release, ReleaseRole
from workloads.serving.inference_service import model_name
from workloads.zones import workload_table
from workloads.zones.workload_table import GATEWAY, METRICS_PORT, MODEL_SERVER, PLANNING

TABLE = Path(__file__).with_name("alerts.yaml")
API = "monitoring.coreos.com/v1"
_STRICT = ConfigDict(extra="forbid")
_METRICS_PATHS = {GATEWAY: "/stats/prometheus", MODEL_SERVER: "/metrics", PLANNING: "/metrics"}


@validated(frozen=True, config=_STRICT)
class Alert:
    """An alerting rule; ``alerts.yaml`` documents the fields."""

    alert: str
    watch: Literal["drift", "calibration", "errors", "latency", "canary"]
    severity: Literal["warning", "critical"]
    duration: str
    expr: str
    summary: str
    role: ReleaseRole | None = None


@cache
def table() -> tuple[Alert, ...]:
    """Return the alerting rules."""
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return TypeAdapter(tuple[Alert, ...]).validate_python(document["alerts"])


@dataclass(frozen=True)
class AlertsArgs:
    """Arguments of a hospital's alerts.

    Parameters
    ----------
    hospital
        The hospital's entry.
    scraped
        The workloads whose metrics Prometheus reads.
    namespaces
        Namespaces by zone.
    """

    hospital: Hospital
    scraped: tuple[str, ...]
    namespaces: Mapping[str, pulumi.Output[str]]


class Alerts(pulumi.ComponentResource):
    """PodMonitors of model server, planning and gateway, and a PrometheusRule of each deployed model."""

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Alerts", name, None, opts)
        self._name, self._args = name, args
        for workload in args.scraped:
            self._pod_monitor(workload)
        further = ((None, model.release) for model in args.hospital.models)
        for role, release in (*args.hospital.roles.items(), *further):
            model = model_name(release.version)
            of_role = [alert for alert in table() if alert.role in (None, role)]
            group = {"name": model, "rules": [_rule(alert, args.hospital.name, release) for alert in of_role]}
            self._custom_resource("PrometheusRule", model, MODEL_SERVER, {"groups": [group]})
        self.register_outputs({})

    def _pod_monitor(self, workload: str) -> None:
        row = workload_table.row(workload)
        endpoint = {"portNumber": row.ports[METRICS_PORT], "path": _METRICS_PATHS[workload]}
        selector = {"matchLabels": {names.WORKLOAD_LABEL: row.service_account}}
        spec: dict[str, object] = {"selector": selector, "podMetricsEndpoints": [endpoint]}
        self._custom_resource("PodMonitor", row.service_account, workload, spec)

    def _custom_resource(self, kind: str, name: str, workload: str, spec: dict[str, object]) -> None:
        row = workload_table.row(workload)
        CustomResource(
            f"{self._name}-{kind.lower()}-{name}",
            api_version=API,
            kind=kind,
            metadata=ObjectMetaArgs(
                name=name,
                namespace=self._args.namespaces[row.zone],
                labels=names.labels(self._args.hospital.name, row.zone, row.service_account),
            ),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _rule(alert: Alert, hospital: str, release: Release) -> dict[str, object]:
    variables = {
        "serving": names.namespace(hospital, "serving"),
        "data": names.namespace(hospital, "data"),
        "model": model_name(release.version),
        "release": str(release),
    }
    return {
        "alert": alert.alert,
        "expr": string.Template(alert.expr).substitute(variables),
        "for": alert.duration,
        "labels": {"watch": alert.watch, "severity": alert.severity, "hospital": hospital},
        "annotations": {"summary": string.Template(alert.summary).substitute(variables)},
    }
