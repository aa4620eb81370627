"""One hospital: everything that its entry in the stack's configuration means."""

from dataclasses import dataclass

import pulumi

from infra.blocks.providers import Account
from infra.blocks.workload_roles import GRANTS, Trust, WorkloadRole, WorkloadRoleArgs, grant_access
from infra.cluster.cluster import Cluster
from infra.databases.databases import Stores
from infra.monitoring.account_monitoring import Watch
from infra.settings.values import Amount, Hospital, Leaving, Resources, Settings
from infra.storage.backup_role import BackupRole
from infra.storage.data_export_role import GRANTS as EXPORT_GRANTS
from infra.storage.data_export_role import ExportRole
from infra.storage.hospital_buckets import HospitalStorage, HospitalStorageArgs
from infra.vault.database_secrets import HospitalDatabase, HospitalDatabaseArgs
from infra.vault.hospital import HospitalVault, HospitalVaultArgs
from infra.vault.pki import HospitalAuthority, HospitalAuthorityArgs
from infra.vault.server import Logins
from workloads.blocks.hospital_context import Site
from workloads.blocks.release_metadata import Papers
from workloads.blocks.service_accounts import WorkloadAccount, WorkloadAccountArgs
from workloads.pipeline.features import features
from workloads.pipeline.ingest import ingest
from workloads.pipeline.reidentify import identity
from workloads.pipeline.training import training
from workloads.platform.charts import CERT_MANAGER
from workloads.platform.gateway_class import REPLICAS, SIZE
from workloads.platform.platform import INITIALIZER, Platform
from workloads.serving.alerts import Alerts, AlertsArgs
from workloads.serving.gateway import HospitalGateway, HospitalGatewayArgs
from workloads.serving.inference_service import service_url, serving
from workloads.serving.planning import planning
from workloads.zones.flow_table import GATEWAY, openings, places, table
from workloads.zones.namespaces import NO_ROOM, Room, Zones, ZonesArgs


@dataclass(frozen=True)
class HospitalArgs:
    """What a hospital stands on.

    Parameters
    ----------
    settings
        The environment.
    hospital
        Its entry.
    account
        Where its keys, buckets and roles are.
    watch, backup
        Who records what happens to its data, and who copies it.
    cluster, trust, logins
        The cluster, as it is deployed to, as AWS knows it and as Vault does.
    stores
        Servers of data besides buckets; None where the stack declares none.
    platform
        What must stand before a model server can fetch its release.
    papers
        What that release says of itself.
    """

    settings: Settings
    hospital: Hospital
    account: Account
    watch: Watch
    backup: BackupRole
    cluster: Cluster
    trust: Trust
    logins: Logins
    stores: Stores | None
    platform: Platform
    papers: Papers | None


class HospitalService(pulumi.ComponentResource):
    """Zones, keys, buckets, identities, pipelines and the model server of one hospital."""

    summary: dict[str, object]

    def __init__(self, name: str, args: HospitalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        provided = pulumi.ResourceOptions(
            providers={"aws": args.account.here, "kubernetes": args.cluster.provider, "vault": args.logins.provider}
        )
        super().__init__(
            "healthcare-mlops:workloads:Hospital", name, None, pulumi.ResourceOptions.merge(opts, provided)
        )
        settings, hospital, child = args.settings, args.hospital, pulumi.ResourceOptions(parent=self)
        self._args, self._child = args, child
        self._known = table()
        # Of a hospital that leaves nothing works, so nothing is open, nobody logs in and no pod has room.
        self._workloads = {} if hospital.leaving else self._known.workloads
        zones = self._zones(name)
        roles = self._roles(name)
        export = ExportRole(f"{name}-export", settings, hospital, child) if hospital.leaving is Leaving.CLOSED else None
        # Keys and buckets name the roles, and the roles' grants name the buckets.
        storage = HospitalStorage(
            name,
            HospitalStorageArgs(
                settings,
                hospital,
                args.account,
                (*roles.values(), *([export] if export else [])),
                args.backup,
                args.watch.access_logs,
            ),
            child,
        )
        if export:
            grant_access(f"{name}-export", export.role, EXPORT_GRANTS, storage.stored, settings.region, child)
        protect = settings.tier.protect_data and hospital.leaving is not Leaving.RELEASED
        vault_zones = {workload: entry.zone for workload, entry in self._workloads.items() if entry.vault}
        vault = HospitalVault(name, HospitalVaultArgs(hospital.name, args.logins, vault_zones, protect), child)
        if args.stores:
            HospitalDatabase(
                f"{name}-database",
                HospitalDatabaseArgs(
                    hospital.name, args.logins, args.stores.database, protect, closed=hospital.leaving is not None
                ),
                child,
            )
        authority = self._authority(protect)
        if not hospital.leaving:
            self._work(name, zones, roles, storage, vault, authority)
        release = None if hospital.leaving else hospital.release
        self.summary = {
            "buckets": {str(data): stored.bucket for data, stored in storage.stored.items()},
            "namespaces": zones.namespaces,
            "release": str(release) if release else None,
            "modelUrl": service_url(hospital.name, release.version) if release else None,
        }
        self.register_outputs(self.summary)

    def _zones(self, name: str) -> Zones:
        args, hospital = self._args, self._args.hospital
        if hospital.leaving:
            found = []
        else:
            found = openings(self._known, hospital.name, places(args.settings, args.cluster, hospital))
        return Zones(
            f"{name}-zones",
            ZonesArgs(
                hospital=hospital.name,
                holds=self._known.holds,
                contact=hospital.contact,
                rooms=rooms(args.settings, hospital),
                openings=found,
            ),
            self._child,
        )

    def _roles(self, name: str) -> dict[str, WorkloadRole]:
        args = self._args
        return {
            workload: WorkloadRole(
                f"{name}-{workload}",
                WorkloadRoleArgs(args.settings.environment, args.hospital.name, workload, entry.zone, args.trust),
                self._child,
            )
            for workload, entry in self._workloads.items()
            if workload in GRANTS
        }

    def _work(
        self,
        name: str,
        zones: Zones,
        roles: dict[str, WorkloadRole],
        storage: HospitalStorage,
        vault: HospitalVault,
        authority: list[HospitalAuthority],
    ) -> None:
        """Declare what works for the hospital: accounts, pipelines, the model server, its gateway and its alerts."""
        args, settings, hospital = self._args, self._args.settings, self._args.hospital
        accounts = {
            workload: WorkloadAccount(
                f"{name}-{workload}",
                WorkloadAccountArgs(
                    settings=settings,
                    hospital=hospital.name,
                    name=workload,
                    workload=self._known.workloads[workload],
                    namespace=zones.namespaces[self._known.workloads[workload].zone],
                    role=role,
                    stored=storage.stored,
                    placement=args.cluster.placement(self._known.workloads[workload].zone),
                ),
                self._child,
            )
            for workload, role in roles.items()
        }
        site = Site(
            settings=settings,
            hospital=hospital,
            cluster=args.cluster,
            accounts={workload: made.account for workload, made in accounts.items()},
            stored=storage.stored,
            release_keys=vault.release_keys,
            papers=args.papers,
            ground=(args.platform, zones, storage, vault, *authority, *accounts.values()),
        )
        for declare in (ingest, identity, features, training, serving, planning):
            declare(site, self)
        if settings.gateway:
            HospitalGateway(
                f"{name}-gateway",
                HospitalGatewayArgs(
                    gateway=settings.gateway,
                    hospital=hospital,
                    cluster=args.cluster,
                    login_path=args.logins.path,
                    vault_namespace=settings.vault.namespace,
                    namespaces=zones.namespaces,
                ),
                site.after_ground(self),
            )
        if args.cluster.installs_platform:
            watched = AlertsArgs(hospital, settings.gateway is not None, zones.namespaces)
            Alerts(f"{name}-alerts", watched, site.after_ground(self))

    def _authority(self, protect: bool) -> list[HospitalAuthority]:
        """Return the authority of the hospital's gateway; cert-manager asks it in the hospital's name."""
        gateway, hospital, args = self._args.settings.gateway, self._args.hospital, self._args
        if gateway is None:
            return []
        made = HospitalAuthorityArgs(
            hospital=hospital.name,
            logins=args.logins,
            workload=GATEWAY,
            host=gateway.host(hospital.name),
            programs=hospital.applications,
            asked_by=(CERT_MANAGER, CERT_MANAGER),
            protect=protect,
            closed=hospital.leaving is not None,
        )
        return [HospitalAuthority(f"{hospital.name}-pki", made, pulumi.ResourceOptions(parent=self))]


def rooms(settings: Settings, hospital: Hospital) -> dict[str, Room]:
    """Return what each zone of a hospital has room for: its workloads, each run by the clock and by hand at once."""
    if hospital.leaving:
        return dict.fromkeys(("phi", "serving", "data", "platform"), NO_ROOM)
    job = settings.sizes.job
    server = _larger(hospital.model_server, INITIALIZER)
    # A new release starts beside the old one, so there may be one server more than the most.
    servers = hospital.replicas.most + 1
    serving_total = _sum(_times(server, servers), _times(job, 2))
    return {
        "phi": Room(4, _times(job, 4), job),
        "serving": Room(servers + 2, serving_total, _larger(server, job)),
        "data": Room(4, _times(job, 4), job),
        "platform": _entrance() if settings.gateway else NO_ROOM,
    }


def _entrance() -> Room:
    """Return what a gateway needs: its replicas and the next one, each with a helper that ends it in peace."""
    return Room(REPLICAS + 1, _times(SIZE, 2 * (REPLICAS + 1)), SIZE, entrances=1)


def _larger(one: Resources, other: Resources) -> Resources:
    return Resources(_most(one.requests, other.requests), _most(one.limits, other.limits))


def _most(one: Amount, other: Amount) -> Amount:
    return Amount(max(one.cpu, other.cpu), max(one.memory, other.memory))


def _times(one: Resources, count: int) -> Resources:
    return Resources(one.requests.times(count), one.limits.times(count))


def _sum(one: Resources, other: Resources) -> Resources:
    return Resources(one.requests.plus(other.requests), one.limits.plus(other.limits))
