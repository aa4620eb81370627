"""CronJob of a workload, with name, schedule and limits from the workload table."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.batch import v1 as batch
from pulumi_kubernetes.core.v1 import PodTemplateSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.pod import Container, Pod, pod_spec
from workloads.zones import workload_table

HISTORY_LIMIT = 3
BACKOFF_LIMIT = 2
STARTING_DEADLINE_SECONDS = 3600


def cron_job(
    context: HospitalContext,
    workload: str,
    main: Container,
    parent: pulumi.Resource,
    init_containers: Sequence[Container] = (),
) -> batch.CronJob:
    """Declare the CronJob of a workload; it never runs concurrently and always has a deadline.

    Parameters
    ----------
    context
        The hospital's context.
    workload
        The row of the workload table.
    main, init_containers
        Containers of the pod.
    parent
        Parent of the resource.
    """
    job = workload_table.row(workload).cron_job
    if job is None:
        raise ValueError(f"workload {workload} has no cron_job; add it to workloads.yaml")
    identity = context.identities[workload]
    labels = dict(identity.labels)
    spec = pod_spec(context.cluster, context.settings, Pod(identity, main, init_containers, job.tmp))
    return batch.CronJob(
        context.logical_name(job.name),
        metadata=ObjectMetaArgs(name=job.name, namespace=identity.namespace, labels=labels),
        spec=batch.CronJobSpecArgs(
            schedule=job.schedule,
            time_zone="Etc/UTC",
            suspend=job.suspend,
            concurrency_policy="Forbid",
            starting_deadline_seconds=STARTING_DEADLINE_SECONDS,
            successful_jobs_history_limit=HISTORY_LIMIT,
            failed_jobs_history_limit=HISTORY_LIMIT,
            job_template=batch.JobTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=labels),
                spec=batch.JobSpecArgs(
                    backoff_limit=BACKOFF_LIMIT,
                    active_deadline_seconds=job.timeout_minutes * 60,
                    template=PodTemplateSpecArgs(metadata=identity.pod_metadata, spec=spec),
                ),
            ),
        ),
        opts=context.options(parent),
    )
