"""ResourceQuota and LimitRange values of a hospital's zones, from the pods of the workload table."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.settings import Amount, Hospital, Resources, Settings
from workloads.zones import flow_table
from workloads.zones.secret_table import secret_table
from workloads.zones.workload_table import GATEWAY, Workload

_NOTHING = Resources(requests=Amount.of(0, 0), limits=Amount.of(0, 0))


@dataclass(frozen=True)
class ZoneQuota:
    """ResourceQuota and LimitRange of a zone.

    Parameters
    ----------
    pods
        Maximum number of pods.
    total
        Requests and limits of all pods together.
    container
        Maximum, and default, size of a container.
    load_balancers
        Maximum number of Services of type LoadBalancer.
    """

    pods: int
    total: Resources
    container: Resources
    load_balancers: int = 0


CLOSED_QUOTA = ZoneQuota(0, _NOTHING, Resources(requests=Amount.of(50, 64), limits=Amount.of(500, 512)))


def zone_quotas(settings: Settings, hospital: Hospital, workloads: Mapping[str, Workload]) -> dict[str, ZoneQuota]:
    """Return the quota of each zone for some workloads; zones without workloads admit no pod."""
    deployed = [row for name, row in workloads.items() if name != GATEWAY or settings.gateway is not None]
    return {
        zone: _quota([row for row in deployed if row.zone == zone], settings, hospital)
        for zone in flow_table.table().zones
    }


def _quota(workloads: list[Workload], settings: Settings, hospital: Hospital) -> ZoneQuota:
    if not workloads:
        return CLOSED_QUOTA
    pods, total, container = 0, _NOTHING, _NOTHING
    for workload in workloads:
        count, size = _replicas(workload, hospital), _container(workload, settings, hospital)
        pods += count
        total = total.plus(size.times(count * workload.pods.containers))
        container = container.maximum(size)
        if workload.secrets:
            agent = secret_table().agent
            container = container.maximum(agent)
            # The agent of a Job ends before its container starts.
            total = total if workload.cron_job else total.plus(agent.times(count))
    return ZoneQuota(pods, total, container, sum(workload.pods.load_balancers for workload in workloads))


def _replicas(workload: Workload, hospital: Hospital) -> int:
    pods = workload.pods
    count = (hospital.replicas.max if pods.replicas == "hospital" else pods.replicas) + pods.surge
    return count * max(1, len(hospital.releases)) if pods.per_release else count


def _container(workload: Workload, settings: Settings, hospital: Hospital) -> Resources:
    """Return the resources of a container, or those of the init container where they are higher."""
    match workload.pods.resources:
        case Resources() as fixed:
            size = fixed
        case "hospital":
            size = settings.model_server(hospital)
        case _:
            size = settings.sizes.job
    init = workload.pods.init_resources
    return size.maximum(init) if init else size
