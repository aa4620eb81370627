"""Who watches a hospital's model: what Prometheus reads, and when it calls."""

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
from pydantic.dataclasses import dataclass as checked

from infra.settings import names
from infra.settings.values import Hospital
from workloads.serving.inference_service import model_name
from workloads.zones import flow_table

TABLE = Path(__file__).with_name("alerts.yaml")
API = "monitoring.coreos.com/v1"
MODEL_SERVER = "model-server"
_STRICT = ConfigDict(extra="forbid")
_PATHS = {flow_table.GATEWAY: "/stats/prometheus", MODEL_SERVER: "/metrics"}


@checked(frozen=True, config=_STRICT)
class Alert:
    """One alert; ``alerts.yaml`` says what each field is for."""

    alert: str
    watch: Literal["drift", "calibration", "errors", "latency"]
    severity: Literal["warning", "critical"]
    after: str
    when: str
    says: str


@cache
def table() -> tuple[Alert, ...]:
    """Return the table."""
    written = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return TypeAdapter(tuple[Alert, ...]).validate_python(written["alerts"])


@dataclass(frozen=True)
class AlertsArgs:
    """Whose model is watched.

    Parameters
    ----------
    hospital
        The hospital.
    gateway
        Whether it has a gateway.
    namespaces
        Its zones.
    """

    hospital: Hospital
    gateway: bool
    namespaces: Mapping[str, pulumi.Output[str]]


class Alerts(pulumi.ComponentResource):
    """What is read of a hospital's pods and, once a model is in service, its alerts."""

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Alerts", name, None, opts)
        self._name, self._args = name, args
        for workload in (MODEL_SERVER, *([flow_table.GATEWAY] if args.gateway else [])):
            self._read(workload)
        if args.hospital.release:
            model = model_name(args.hospital.release.version)
            group = {"name": model, "rules": [_rule(alert, args.hospital.name, model) for alert in table()]}
            self._object("PrometheusRule", model, MODEL_SERVER, {"groups": [group]})
        self.register_outputs({})

    def _read(self, workload: str) -> None:
        [port] = [f.port for f in flow_table.table().flows if (f.source, f.target) == ("monitoring", workload)]
        endpoint = {"portNumber": port, "path": _PATHS[workload]}
        selector = {"matchLabels": {names.WORKLOAD_LABEL: workload}}
        self._object("PodMonitor", workload, workload, {"selector": selector, "podMetricsEndpoints": [endpoint]})

    def _object(self, kind: str, name: str, workload: str, spec: dict[str, object]) -> None:
        zone = flow_table.table().workloads[workload].zone
        CustomResource(
            f"{self._name}-{kind.lower()}-{name}",
            api_version=API,
            kind=kind,
            metadata=ObjectMetaArgs(
                name=name,
                namespace=self._args.namespaces[zone],
                labels=names.labels(self._args.hospital.name, zone, workload),
            ),
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _rule(alert: Alert, hospital: str, model: str) -> dict[str, object]:
    known = {
        "serving": names.namespace(hospital, "serving"),
        "data": names.namespace(hospital, "data"),
        "model": model,
    }
    return {
        "alert": alert.alert,
        "expr": string.Template(alert.when).substitute(known),
        "for": alert.after,
        "labels": {"watch": alert.watch, "severity": alert.severity, "hospital": hospital},
        "annotations": {"summary": string.Template(alert.says).substitute(known)},
    }
