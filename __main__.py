"""The architecture, top to bottom: settings, foundation, platform, hospitals, outputs."""

import gc
from pathlib import Path

import pulumi

from infra import identity, stores, vault_server
from infra.account import account
from infra.backup import Backup, BackupArgs
from infra.backup_role import BackupRole
from infra.cluster import connect
from infra.load_settings import load
from infra.people import People, PeopleArgs
from infra.watch import Watch, WatchArgs
from workloads.hospital import HospitalArgs, HospitalService
from workloads.platform import Platform
from workloads.releases import read_releases

# A program that declares once and ends has nothing to collect, and a fifth of its time went into looking.
gc.disable()

# Settings: everything that differs between environments, checked before anything is touched.
settings = load(Path(__file__).parent)

# Foundation: the cloud account and who watches it, the cluster, and who trusts its workloads.
aws = account(settings)
releases = read_releases(settings, aws)
backup_role = BackupRole("backup", settings, pulumi.ResourceOptions(providers={"aws": aws.here}))
watch = Watch("watch", WatchArgs(settings, aws, backup_role))
people = People("people", PeopleArgs(settings, watch), pulumi.ResourceOptions(providers={"aws": aws.here}))
cluster = connect(settings, aws, watch, people)
trust = identity.trust_cluster(settings.environment, aws.here, cluster.issuer)
logins = vault_server.trust_cluster(settings, cluster)
stored = stores.declare(settings, aws, watch, cluster)

# Platform: what all hospitals share and none owns.
platform = Platform("platform", settings, cluster)

# Hospitals: one entry each, nothing shared between them.
hospitals = {
    entry.name: HospitalService(
        entry.name,
        HospitalArgs(
            settings,
            entry,
            aws,
            watch,
            backup_role,
            cluster,
            trust,
            logins,
            stored,
            platform,
            releases.get(entry.name),
        ),
    )
    for entry in settings.hospitals
}

# Copies of all that says by its tags that it is to be copied.
Backup("backup", BackupArgs(settings, aws, backup_role))

# Outputs: where things are; nothing secret.
pulumi.export("environment", settings.environment)
pulumi.export("hospitals", {name: hospital.summary for name, hospital in hospitals.items()})
