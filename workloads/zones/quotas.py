"""ResourceQuota and LimitRange values of a hospital's zones, from the pods of the workload table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.cluster.pools import STAGING
from infra.settings import Amount, Hospital, ReleaseRole, Resources, Settings
from workloads.zones import flow_table
from workloads.zones.secret_table import secret_table
from workloads.zones.workload_table import GATEWAY, Workload

_NOTHING = Resources(requests=Amount.of(0, 0), limits=Amount.of(0, 0))


@dataclass(frozen=True)
class PoolQuota:
    """ResourceQuota of a pool's pods in a zone.

    Parameters
    ----------
    pods
        Maximum number of pods.
    total
        Requests and limits of all of them together.
    """

    pods: int
    total: Resources

    def plus(self, pods: int, total: Resources) -> "PoolQuota":
        """Return the quota for more pods."""
        return PoolQuota(self.pods + pods, self.total.plus(total))


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
    pools
        The part of each pool, so that none takes the place of another: of Jobs, no more begin than these.
    """

    pods: int
    total: Resources
    container: Resources
    load_balancers: int = 0
    pools: Mapping[str, PoolQuota] = field(default_factory=dict)


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
    container, pools = _NOTHING, dict[str, PoolQuota]()
    for workload in workloads:
        size = _container(workload, settings, hospital)
        container = container.maximum(size)
        pod = size.times(workload.pods.containers)
        if workload.secrets:
            agent = secret_table().agent
            container = container.maximum(agent)
            # The agent of a Job is an init container: Kubernetes counts the larger of it and the containers.
            pod = pod.maximum(agent) if workload.cron_job else pod.plus(agent)
        for pool, count in _replicas(workload, hospital).items():
            pools[pool] = pools.get(pool, PoolQuota(0, _NOTHING)).plus(count, pod.times(count))
    whole = PoolQuota(0, _NOTHING)
    for part in pools.values():
        whole = whole.plus(part.pods, part.total)
    load_balancers = sum(workload.pods.load_balancers for workload in workloads)
    return ZoneQuota(whole.pods, whole.total, container, load_balancers, pools)


def _replicas(workload: Workload, hospital: Hospital) -> dict[str, int]:
    """Return the number of a workload's pods by pool: those of a shadow are in a pool of their own.

    The pool is there without a shadow too: a rollback makes the canary one, by an update that may add no resource.
    """
    pods = workload.pods
    count = (hospital.replicas.max if pods.replicas == "hospital" else pods.replicas) + pods.surge
    if not pods.per_release:
        return {workload.pool: count} if count else {}
    shadows = sum(role is ReleaseRole.SHADOW for role in hospital.roles)
    others = max(1, len(hospital.releases) - shadows)
    return {workload.pool: count * others, STAGING: count * shadows}


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
