"""A program that runs by the clock, in the hardened pod."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.batch import v1 as batch
from pulumi_kubernetes.core.v1 import PodTemplateSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from workloads.blocks.hospital_context import Site
from workloads.blocks.pod import Pod, pod_spec

HISTORY = 3
RETRIES = 2


@dataclass(frozen=True)
class ScheduledPodArgs:
    """What runs when.

    Parameters
    ----------
    title
        The CronJob's name.
    pod
        What runs.
    schedule
        When, in cron's words and in UTC.
    minutes
        How long a run may take before it is stopped.
    suspended
        Declared, but started by hand only.
    """

    title: str
    pod: Pod
    schedule: str
    minutes: int
    suspended: bool = False


def scheduled_pod(site: Site, args: ScheduledPodArgs, parent: pulumi.Resource) -> batch.CronJob:
    """Return a CronJob that never runs twice at once and never for ever."""
    account = args.pod.account
    labels = dict(account.labels)
    spec = pod_spec(site.cluster, site.settings, args.pod)
    return batch.CronJob(
        site.name(args.title),
        metadata=ObjectMetaArgs(name=args.title, namespace=account.namespace, labels=labels),
        spec=batch.CronJobSpecArgs(
            schedule=args.schedule,
            time_zone="Etc/UTC",
            suspend=args.suspended,
            concurrency_policy="Forbid",
            starting_deadline_seconds=3600,
            successful_jobs_history_limit=HISTORY,
            failed_jobs_history_limit=HISTORY,
            job_template=batch.JobTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=labels),
                spec=batch.JobSpecArgs(
                    backoff_limit=RETRIES,
                    active_deadline_seconds=args.minutes * 60,
                    template=PodTemplateSpecArgs(metadata=ObjectMetaArgs(labels=labels), spec=spec),
                ),
            ),
        ),
        opts=site.after_ground(parent),
    )
