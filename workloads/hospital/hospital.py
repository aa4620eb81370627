"""Hospital: the resources of one entry of ``hospitals`` in the stack's configuration."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pulumi

from infra.blocks.providers import AwsAccount
from infra.blocks.role_policies import bucket_role_policy
from infra.blocks.workload_roles import OidcProvider, WorkloadRole
from infra.cluster.cluster import Cluster
from infra.databases.databases import Databases
from infra.monitoring.account_monitoring import AccountMonitoring
from infra.settings import Hospital, Leaving, Release, Settings
from infra.storage.backup_role import BackupRole
from infra.storage.data_export_role import GRANTS as EXPORT_GRANTS
from infra.storage.data_export_role import DataExportRole
from infra.storage.hospital_buckets import HospitalStorage, HospitalStorageArgs
from infra.vault.database_secrets import HospitalDatabase, HospitalDatabaseArgs
from infra.vault.hospital import HospitalVault, HospitalVaultArgs
from infra.vault.server import KubernetesAuth
from workloads.blocks.database_authorities import authorities_config_map
from workloads.blocks.deployment import service_url
from workloads.blocks.hospital_context import HospitalContext
from workloads.blocks.release_metadata import ReleaseMetadata
from workloads.blocks.service_accounts import WorkloadAccount, WorkloadAccountArgs
from workloads.hospital.authorities import Authorities, declare_authorities
from workloads.hospital.identities import vault_workloads, workload_roles
from workloads.pipeline.anchor import anchor
from workloads.pipeline.database import database
from workloads.pipeline.database_removal import database_removal
from workloads.pipeline.features import features
from workloads.pipeline.ingest import ingest
from workloads.pipeline.promotion import promotion
from workloads.pipeline.reidentify import reidentify
from workloads.pipeline.training import training
from workloads.pipeline.verify import verify
from workloads.platform.namespaces import PlatformFlows
from workloads.platform.platform import Platform
from workloads.serving.alerts import Alerts, AlertsArgs
from workloads.serving.batch_scoring import batch_scoring
from workloads.serving.care import care
from workloads.serving.gateway import HospitalGateway, HospitalGatewayArgs
from workloads.serving.inference_service import inference_services
from workloads.serving.planning import planning
from workloads.serving.recorder import recorder
from workloads.zones import flow_table, workload_table
from workloads.zones.namespaces import Zones, ZonesArgs
from workloads.zones.quotas import zone_quotas
from workloads.zones.workload_table import ANCHOR, CARE, GATEWAY, MODEL_SERVER, PLANNING, RECORDER, SCORE, Workload


@dataclass(frozen=True)
class HospitalArgs:
    """Arguments of a hospital.

    Parameters
    ----------
    settings, hospital
        The stack's settings and the hospital's entry.
    aws
        The AWS providers.
    monitoring, backup_role
        The account's monitoring, and the role of AWS Backup.
    cluster, oidc, auth
        The cluster, its OpenID Connect provider in IAM, and its auth method in Vault.
    databases
        Endpoints of the databases; None for a stack without them.
    platform
        The platform, on which model servers depend.
    releases
        Metadata of the hospital's releases; empty without a release.
    """

    settings: Settings
    hospital: Hospital
    aws: AwsAccount
    monitoring: AccountMonitoring
    backup_role: BackupRole
    cluster: Cluster
    oidc: OidcProvider
    auth: KubernetesAuth
    databases: Databases | None
    platform: Platform
    releases: Mapping[Release, ReleaseMetadata]


class HospitalService(pulumi.ComponentResource):
    """Zones, keys, buckets, roles, Vault, pipeline, model server and gateway of one hospital.

    A leaving hospital has no workloads: no connection is allowed, nothing logs in, and its quotas admit no pod. The one
    exception is the Job that removes its databases, while its entry approves this.
    """

    summary: dict[str, object]

    def __init__(self, name: str, args: HospitalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        providers = pulumi.ResourceOptions(
            providers={"aws": args.aws.primary, "kubernetes": args.cluster.provider, "vault": args.auth.provider}
        )
        super().__init__(
            "healthcare-mlops:workloads:Hospital", name, None, pulumi.ResourceOptions.merge(opts, providers)
        )
        settings, hospital, child = args.settings, args.hospital, pulumi.ResourceOptions(parent=self)
        self._args, self._child = args, child
        self._server = args.databases.server if args.databases else None
        self._workloads = self._present()
        zones = self._zones(name)
        roles = workload_roles(name, settings.environment, hospital.name, self._workloads, args.oidc, child)
        leaving_closed = hospital.leaving is Leaving.CLOSED
        export = DataExportRole(f"{name}-export", settings, hospital, child) if leaving_closed else None
        # Policies of keys and buckets name the roles, and the roles' policies name keys and buckets.
        storage = HospitalStorage(
            name,
            HospitalStorageArgs(
                settings=settings,
                hospital=hospital,
                aws=args.aws,
                roles=(*roles.values(), *([export] if export else [])),
                grants={self._workloads[key].service_account: workload_table.table().grants(key) for key in roles},
                backup_role=args.backup_role,
                access_logs=args.monitoring.access_logs,
                write_once=workload_table.table().write_once(),
            ),
            child,
        )
        if export:
            bucket_role_policy(f"{name}-export", export.role, EXPORT_GRANTS, storage.buckets, settings.region, child)
        protect = settings.tier.protect_data and hospital.leaving is not Leaving.RELEASED
        vault = HospitalVault(
            name,
            HospitalVaultArgs(hospital.name, args.auth, vault_workloads(hospital.name, self._workloads), protect),
            child,
        )
        prerequisites: list[pulumi.Resource] = []
        if args.databases:
            engine = HospitalDatabase(
                f"{name}-database",
                HospitalDatabaseArgs(
                    hospital=hospital.name,
                    auth=args.auth,
                    endpoint=args.databases.postgresql,
                    ca=args.databases.server.authorities,
                    protect=protect,
                    closed=hospital.leaving is not None,
                ),
                child,
            )
            prerequisites += [engine, *self._database_authorities(zones)]
        authorities = declare_authorities(settings, hospital, args.auth, self._workloads, child, protect=protect)
        accounts = {
            key: self._account(name, key, roles.get(key), zones, storage)
            for key, workload in self._workloads.items()
            if workload.has_account
        }
        context = HospitalContext(
            settings=settings,
            hospital=hospital,
            cluster=args.cluster,
            identities={key: account.identity for key, account in accounts.items()},
            buckets=storage.buckets,
            release_keys=vault.release_keys,
            audit_keys=vault.audit_keys,
            releases=args.releases,
            prerequisites=(
                *(args.platform, zones, storage, vault),
                *prerequisites,
                *authorities.declared,
                *accounts.values(),
            ),
        )
        if not hospital.leaving:
            self._deploy_workloads(name, context, accounts, zones, authorities)
        elif self._server and hospital.database_removal:
            database_removal(context, hospital.database_removal, self._server.administrator.name, self)
        release = None if hospital.leaving else hospital.release
        self.summary = {
            "buckets": {str(data): bucket.bucket for data, bucket in storage.buckets.items()},
            "namespaces": zones.namespaces,
            "auditKeys": vault.audit_keys,
            "release": str(release) if release else None,
            "modelUrl": service_url(hospital.name, MODEL_SERVER) if release else None,
        }
        self.register_outputs(self.summary)

    def _zones(self, name: str) -> Zones:
        args, hospital, table = self._args, self._args.hospital, flow_table.table()
        rules = []
        if self._workloads:
            endpoints = flow_table.endpoint_peers(args.settings, args.cluster, hospital)
            present = replace(table, workloads=dict(self._workloads), flows=table.flows_between(self._workloads))
            rules = flow_table.policy_rules(present, hospital.name, endpoints)
        return Zones(
            f"{name}-zones",
            ZonesArgs(
                hospital=hospital.name,
                holds=table.holds,
                passes=table.passes,
                contact=hospital.contact,
                quotas=zone_quotas(args.settings, hospital, self._workloads),
                policy_rules=rules,
            ),
            self._child,
        )

    def _database_authorities(self, zones: Zones) -> list[pulumi.Resource]:
        """Declare a ConfigMap in each zone from which pods connect to the server, where the cluster has none."""
        authorities = self._server.authorities if self._server else None
        if authorities is None:
            return []
        users = sorted({workload.zone for workload in self._workloads.values() if workload.uses_database})
        hospital = self._args.hospital.name
        return [
            authorities_config_map(hospital, zone, zones.namespaces[zone], authorities, self._child) for zone in users
        ]

    def _present(self) -> dict[str, Workload]:
        """Return its workloads; a leaving hospital has none but the Job that removes its databases, once approved."""
        args, hospital, table = self._args, self._args.hospital, workload_table.table()
        if hospital.leaving:
            return table.leaving() if self._server and hospital.database_removal else {}
        return table.present(
            database=self._server is not None,
            clinic=args.settings.reaches_clinic(hospital),
            gateway=args.settings.gateway is not None,
        )

    def _deploy_workloads(
        self,
        name: str,
        context: HospitalContext,
        accounts: Collection[str],
        zones: Zones,
        authorities: Authorities,
    ) -> None:
        """Declare CronJobs, InferenceServices, the gateway and alerts."""
        args, settings, hospital = self._args, self._args.settings, self._args.hospital
        for declare in (ingest, reidentify, features, training, promotion):
            declare(context, self)
        servers = inference_services(context, self)
        if PLANNING in accounts:
            # It asks a release only when that one's servers are ready: their absence would stop a new canary.
            planning(replace(context, prerequisites=(*context.prerequisites, *servers)), self)
        if SCORE in accounts and hospital.release:
            batch_scoring(context, hospital.release, self)
        if ANCHOR in accounts:
            anchor(context, self)
            verify(context, self)
        if self._server:
            database(context, self._server.administrator.name, self)
        if settings.gateway and CARE in accounts:
            care(context, settings.gateway, self)
        if settings.gateway and authorities.clients:
            recorded_by = recorder(context, self) if RECORDER in accounts else []
            HospitalGateway(
                f"{name}-gateway",
                HospitalGatewayArgs(
                    gateway=settings.gateway,
                    hospital=hospital,
                    cluster=args.cluster,
                    workloads=self._workloads,
                    auth_path=args.auth.path,
                    vault_namespace=settings.vault.namespace,
                    namespaces=zones.namespaces,
                    authority=authorities.workloads.certificate,
                    client_authority=authorities.clients.certificate,
                    revocation_list=authorities.clients.revocation_list,
                ),
                pulumi.ResourceOptions.merge(context.options(self), pulumi.ResourceOptions(depends_on=recorded_by)),
            )
        if args.cluster.installs_platform:
            PlatformFlows(f"{name}-platform-flows", settings, hospital, context.options(self))
            scraped = (
                MODEL_SERVER,
                *([PLANNING] if PLANNING in accounts else []),
                *([GATEWAY] if settings.gateway else []),
            )
            Alerts(f"{name}-alerts", AlertsArgs(hospital, scraped, zones.namespaces), context.options(self))

    def _account(
        self, name: str, key: str, role: WorkloadRole | None, zones: Zones, storage: HospitalStorage
    ) -> WorkloadAccount:
        workload = self._workloads[key]
        return WorkloadAccount(
            f"{name}-{workload.service_account}",
            WorkloadAccountArgs(
                settings=self._args.settings,
                hospital=self._args.hospital.name,
                workload=workload,
                grants=workload_table.table().grants(key),
                namespace=zones.namespaces[workload.zone],
                role=role,
                buckets=storage.buckets,
                placement=self._args.cluster.placement(workload.zone, workload.pool),
                database=self._server if workload.uses_database else None,
                secret=self._server.administrator if self._server and workload.administers_database else None,
            ),
            self._child,
        )
