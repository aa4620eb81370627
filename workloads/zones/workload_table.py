"""The workload table: rows of ``workloads.yaml``, which documents the fields."""

from collections import defaultdict
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.blocks.bucket_grants import Access, BucketGrant
from infra.cluster import pools
from infra.settings import DataClass, Hospital, Resources
from infra.settings.fields import Memory
from infra.vault.hospital import VaultPolicyRule
from workloads.zones.secret_table import secret_table

TABLE = Path(__file__).parents[1] / "workloads.yaml"
# Rows that modules of the same name declare.
INGEST, REIDENTIFY, FEATURES, TRAINING, PROMOTION = "ingest", "reidentify", "features", "training", "promotion"
MODEL_SERVER, PLANNING, GATEWAY, DATABASE = "model-server", "planning", "gateway", "database"
DATABASE_REMOVAL = "database-removal"
ANCHOR, VERIFY, CARE, RECORDER = "anchor", "verify", "care", "recorder"
SCORE = "score"
METRICS_PORT = "metrics"
"""Name of the port that Prometheus reads."""
_STRICT = ConfigDict(extra="forbid")

DnsLabel = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=52)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0, le=100)]


@validated(frozen=True, config=_STRICT)
class Location:
    """Objects below a key prefix in the bucket of a data class; with ``write_once`` none is replaced."""

    data: DataClass
    prefix: Annotated[str, Field(pattern=r"^([a-z0-9-]+/)*$")]
    write_once: bool = False


@validated(frozen=True, config=_STRICT)
class Permission:
    """S3 permission of a workload on a location."""

    location: str
    access: Access
    head_bucket: bool = False
    object_lock: bool = False
    versions: bool = False


@validated(frozen=True, config=_STRICT)
class Pods:
    """Pods of a workload, for the quota of its zone."""

    resources: Literal["job", "hospital"] | Resources
    replicas: Count | Literal["hospital"] = 1
    surge: Count = 1
    containers: Annotated[int, Field(ge=1, le=10)] = 1
    init_resources: Resources | None = None
    load_balancers: Count = 0
    per_release: bool = False

    def number(self, hospital: Hospital) -> int:
        """Return how many run in a hospital; an autoscaler may run more."""
        return hospital.replicas.min if self.replicas == "hospital" else self.replicas


@validated(frozen=True, config=_STRICT)
class CronJob:
    """Name, schedule and limits of a workload's CronJob."""

    name: DnsLabel
    schedule: Annotated[str, Field(pattern=r"^\S+( \S+){4}$")]
    timeout_minutes: Annotated[int, Field(ge=1, le=24 * 60)]
    suspend: bool = False
    tmp: Memory = "256Mi"


@validated(frozen=True, config=_STRICT)
class Workload:
    """A row of the table: a program of a hospital, with its identity, permissions, ports and quota."""

    zone: str
    pool: str
    service_account: DnsLabel
    pods: Pods
    buckets: tuple[Permission, ...] = ()
    vault: tuple[VaultPolicyRule, ...] = ()
    ports: dict[str, PortNumber] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    cron_job: CronJob | None = None
    administers_database: bool = False
    behind_gateway: bool = False
    beside_gateway: bool = False
    optional_database: bool = False
    leaving: bool = False
    person: bool = False

    def own_size(self) -> Resources:
        """Return the size of its main container, which its row itself gives.

        Raises
        ------
        ValueError
            If its pods have the size of Jobs or of the hospital's model server.
        """
        if not isinstance(self.pods.resources, Resources):
            raise ValueError(f"workload {self.service_account} needs a size of its own; add it to workloads.yaml")
        return self.pods.resources

    @property
    def vault_rules(self) -> tuple[VaultPolicyRule, ...]:
        """Rules of its Vault policy: its own, and those of its secrets."""
        return (*self.vault, *secret_table().rules(self.secrets, self.service_account))

    def annotations(self, hospital: str) -> dict[str, str]:
        """Return the annotations of its pods, by which they get its secrets."""
        job = self.cron_job is not None
        return secret_table().pod_annotations(self.secrets, hospital, self.service_account, job=job)

    @property
    def uses_database(self) -> bool:
        """Whether it logs in to PostgreSQL."""
        return self.administers_database or self.secrets != secret_table().without_logins(self.secrets)

    def without_database(self) -> "Workload | None":
        """Return the row for a stack without PostgreSQL; None for a workload that is nothing without it."""
        if self.person:
            return None
        if not self.uses_database:
            return self
        return replace(self, secrets=secret_table().without_logins(self.secrets)) if self.optional_database else None

    @property
    def has_role(self) -> bool:
        """Whether it has an IAM role."""
        return bool(self.buckets) or self.administers_database

    @property
    def has_account(self) -> bool:
        """Whether the stack declares its ServiceAccount; Envoy Gateway makes that of the gateway."""
        return self.has_role or bool(self.vault_rules)


@validated(frozen=True, config=_STRICT)
class WorkloadTable:
    """Locations and workloads by name."""

    locations: dict[str, Location]
    workloads: dict[str, Workload]

    def __post_init__(self) -> None:
        service_accounts = [workload.service_account for workload in self.workloads.values()]
        for name, workload in self.workloads.items():
            _check_pool(name, workload)
            for permission in workload.buckets:
                if permission.location not in self.locations:
                    raise ValueError(
                        f"workload {name} has a permission on the location {permission.location}, which "
                        "workloads.yaml does not define; check the spelling or add it to locations"
                    )
            for secret in workload.secrets:
                if secret not in secret_table().secrets:
                    raise ValueError(
                        f"workload {name} has the secret {secret}, which secrets.yaml does not define; check the "
                        "spelling or add it to secrets"
                    )
            files = [file for secret in workload.secrets for file in secret_table().secrets[secret].files]
            if twice := sorted({file for file in files if files.count(file) > 1}):
                raise ValueError(
                    f"workload {name} has two secrets with the file {', '.join(twice)}; remove one of them, or name "
                    "the file otherwise in secrets.yaml"
                )
            if service_accounts.count(workload.service_account) > 1:
                raise ValueError(
                    f"workload {name} shares the ServiceAccount {workload.service_account} with another workload of "
                    "workloads.yaml; choose another name"
                )

    def present(self, *, database: bool, clinic: bool, gateway: bool = False) -> dict[str, Workload]:
        """Return the workloads of a hospital in a stack, if it is not leaving.

        Parameters
        ----------
        database
            Whether the stack has a PostgreSQL server that pods use.
        clinic
            Whether an EHR or people reach the hospital's services through its gateway.
        gateway
            Whether it has a gateway; implied by ``clinic``.
        """
        rows = {
            key: row if database else row.without_database() for key, row in self.workloads.items() if not row.leaving
        }
        return {
            key: row
            for key, row in rows.items()
            if row is not None and (clinic or not row.behind_gateway) and (clinic or gateway or not row.beside_gateway)
        }

    def leaving(self) -> dict[str, Workload]:
        """Return the workloads of a hospital whose databases are removed."""
        return {key: row for key, row in self.workloads.items() if row.leaving}

    def write_once(self) -> dict[DataClass, list[str]]:
        """Return the key prefixes whose objects are written once, by data class."""
        classes: dict[DataClass, list[str]] = defaultdict(list)
        for location in self.locations.values():
            if location.write_once:
                classes[location.data].append(location.prefix)
        return dict(classes)

    def grants(self, workload: str) -> tuple[BucketGrant, ...]:
        """Return the S3 permissions of a workload."""
        return tuple(
            BucketGrant(
                self.locations[permission.location].data,
                self.locations[permission.location].prefix,
                permission.access,
                permission.head_bucket,
                permission.object_lock,
                permission.versions,
            )
            for permission in self.workloads[workload].buckets
        )


def _check_pool(name: str, workload: Workload) -> None:
    """Refuse a pool that is none, or in which the workload's pods would be missing or never end."""
    pool = pools.table().pools.get(workload.pool)
    if pool is None:
        raise ValueError(
            f"workload {name} has the pool {workload.pool}, which pools.yaml does not define; check the spelling"
        )
    if workload.person:
        return
    if pool.may_be_empty and workload.cron_job is None:
        raise ValueError(f"workload {name} is no Job, and its pool {workload.pool} may be empty; choose another")
    if not pool.may_be_empty and workload.cron_job is not None:
        raise ValueError(f"workload {name} is a Job, and its pool {workload.pool} may not be empty; choose another")


@cache
def table() -> WorkloadTable:
    """Return the workload table."""
    return TypeAdapter(WorkloadTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def row(name: str) -> Workload:
    """Return a workload."""
    return table().workloads[name]
