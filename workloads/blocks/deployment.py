"""Deployment of a service, with its Service and PodDisruptionBudget, from its row of the workload table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs

from infra.settings import names
from workloads.blocks.drain import GRACE_SECONDS, replaced_when_ready
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import CommandProbes, Container, Pod, pod_spec
from workloads.zones import flow_table, workload_table

PORT = "https"
# Name and number of the Service's port.
SERVICE_PORT = 443
# In a new stack pods wait for their database, which the Job `database` creates after the update, or for a release.
NOT_AWAITED = {"pulumi.com/skipAwait": "true"}


@dataclass(frozen=True)
class Service:
    """A program that runs all the time; most answer other workloads over mutual TLS.

    Parameters
    ----------
    workload
        The row of the workload table, with a port ``https`` if it answers.
    container
        Its container; :func:`probes` are commands that ask it with the pod's own certificate.
    tmp_size
        Size limit of ``/tmp``.
    """

    workload: str
    container: Container
    tmp_size: str = "64Mi"


def service_url(hospital: str, workload: str, suffix: str = "") -> str:
    """Return the URL of a hospital's service in the cluster; ``suffix`` as in :func:`cluster_service`."""
    row = workload_table.row(workload)
    name = _service_name(row.service_account, suffix)
    return f"https://{name}.{names.namespace(hospital, row.zone)}.svc.cluster.local"


def _service_name(service_account: str, suffix: str) -> str:
    return f"{service_account}-{suffix}" if suffix else service_account


def callers(hospital: str, workload: str) -> list[str]:
    """Return the identities of the workloads that the zone table lets call a service."""
    table = flow_table.table()
    sources = {flow.source for flow in table.flows if flow.target == workload and flow.port == PORT}
    accounts = sorted(table.workloads[source].service_account for source in sources & table.workloads.keys())
    return [names.spiffe_uri(hospital, account) for account in accounts]


def tls_environment(hospital: str, workload: str) -> dict[str, str]:
    """Return the environment variables of a service's mutual TLS server."""
    port = workload_table.row(workload).ports[PORT]
    return {"TLS_PORT": str(port), "TLS_CALLERS": ",".join(callers(hospital, workload))}


def probes(workload: str) -> CommandProbes:
    """Return the probes of a service: its own ``/healthz`` and ``/readyz``, asked with the pod's certificate."""
    port = workload_table.row(workload).ports[PORT]
    command = ("python3", "-m", "services.probe")
    url = f"https://127.0.0.1:{port}"
    return CommandProbes(port, liveness=(*command, f"{url}/healthz"), readiness=(*command, f"{url}/readyz"))


def connection_probes(workload: str) -> CommandProbes:
    """Return the probes of a service that answers no HTTP request of a probe: mutual TLS with the pod's certificate."""
    port = workload_table.row(workload).ports[PORT]
    command = ("python3", "-m", "services.probe", f"tls://127.0.0.1:{port}")
    return CommandProbes(port, liveness=command, readiness=command)


def cluster_service(
    context: HospitalContext,
    workload: str,
    parent: pulumi.Resource,
    *,
    suffix: str = "",
    selected: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Declare the Service of a workload's port ``https``, named as its ServiceAccount: callers know that identity.

    Parameters
    ----------
    context, workload, parent
        The hospital, the row of the workload table, and the parent of the resource.
    suffix, selected
        End of the name, and further labels of its pods, for a Service of some of the workload's pods.
    """
    row, identity = workload_table.row(workload), context.identities[workload]
    labels = dict(identity.labels)
    core.Service(
        context.logical_name(_service_name(workload, suffix)),
        metadata=ObjectMetaArgs(
            name=_service_name(row.service_account, suffix),
            namespace=identity.namespace,
            labels=labels,
            annotations=NOT_AWAITED,
        ),
        spec=core.ServiceSpecArgs(
            type="ClusterIP",
            selector={**labels, **selected},
            ports=[core.ServicePortArgs(name=PORT, port=SERVICE_PORT, target_port=row.ports[PORT], protocol="TCP")],
        ),
        opts=context.options(parent),
    )


def deployment(context: HospitalContext, service: Service, parent: pulumi.Resource) -> apps.Deployment:
    """Declare a service's Deployment, Service and PodDisruptionBudget."""
    row, identity = workload_table.row(service.workload), context.identities[service.workload]
    # The gateway and callers know a service by its ServiceAccount, whose name is in its certificate.
    name, labels = row.service_account, dict(identity.labels)
    if PORT not in row.ports:
        raise ValueError(f"workload {service.workload} has no port {PORT}; add it to workloads.yaml")
    metadata = ObjectMetaArgs(name=name, namespace=identity.namespace, labels=labels)
    options, selector = context.options(parent), LabelSelectorArgs(match_labels=labels)
    cluster_service(context, service.workload, parent)
    # Node drains evict one pod at a time.
    PodDisruptionBudget(
        context.logical_name(service.workload),
        metadata=metadata,
        spec=PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=selector),
        opts=options,
    )
    settings = tls_environment(context.hospital.name, service.workload)
    container = replace(service.container, env={**service.container.env, **settings})
    return background(context, replace(service, container=container), parent)


def background(context: HospitalContext, service: Service, parent: pulumi.Resource) -> apps.Deployment:
    """Declare a Deployment alone: of a workload that answers nobody, or whose Service is declared beside it."""
    row, identity = workload_table.row(service.workload), context.identities[service.workload]
    labels = dict(identity.labels)
    pod = Pod(identity, service.container, tmp_size=service.tmp_size, grace_seconds=GRACE_SECONDS)
    return apps.Deployment(
        context.logical_name(service.workload),
        metadata=ObjectMetaArgs(
            name=row.service_account, namespace=identity.namespace, labels=labels, annotations=NOT_AWAITED
        ),
        spec=apps.DeploymentSpecArgs(
            replicas=row.pods.number(context.hospital),
            selector=LabelSelectorArgs(match_labels=labels),
            strategy=replaced_when_ready(),
            template=core.PodTemplateSpecArgs(
                metadata=identity.pod_metadata, spec=pod_spec(context.cluster, context.settings, pod)
            ),
        ),
        opts=context.options(parent),
    )
