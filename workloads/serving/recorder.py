"""Recorder of a hospital: puts what its gateway refused into the audit chain, and how much the gateway logged."""

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.settings import names
from workloads.blocks.deployment import Service, connection_probes, deployment
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container
from workloads.blocks.start_record import deployed_by
from workloads.zones.workload_table import GATEWAY, RECORDER, row

METRICS = "gateway-metrics"
_PORT = "metrics"


def recorder(context: HospitalContext, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Declare the Deployment of the recorder, and the name of the gateway's metrics, which it counts by.

    Returns
    -------
    list of pulumi.Resource
        What the gateway's access log refers to.
    """
    metrics = _metrics(context, parent)
    container = Container(
        name=RECORDER,
        image=context.cluster.images.workloads,
        resources=row(RECORDER).own_size(),
        args=["-m", "services.recorder"],
        env={"HOSPITAL": context.hospital.name, "GATEWAY_METRICS": metrics, **deployed_by(context.settings)},
        probes=connection_probes(RECORDER),
    )
    return [deployment(context, Service(RECORDER, container), parent)]


def _metrics(context: HospitalContext, parent: pulumi.Resource) -> str:
    """Declare the name that has the address of each of the gateway's pods, and return host and port."""
    identity, gateway = context.identities[RECORDER], row(GATEWAY)
    port = gateway.ports[_PORT]
    core.Service(
        context.logical_name(METRICS),
        metadata=ObjectMetaArgs(name=METRICS, namespace=identity.namespace, labels=dict(identity.labels)),
        spec=core.ServiceSpecArgs(
            type="ClusterIP",
            cluster_ip="None",
            # A pod that ends, or is not ready, logs refusals too.
            publish_not_ready_addresses=True,
            selector={names.WORKLOAD_LABEL: gateway.service_account},
            ports=[core.ServicePortArgs(name=_PORT, port=port, target_port=port, protocol="TCP")],
        ),
        opts=context.options(parent),
    )
    return f"{METRICS}.{names.namespace(context.hospital.name, gateway.zone)}.svc.cluster.local:{port}"
