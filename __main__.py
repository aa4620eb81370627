"""The architecture, top to bottom: settings, foundation, platform, hospitals, outputs."""

from pathlib import Path

import pulumi

from infra import identity, vault
from infra.account import account
from infra.cluster import connect
from infra.load_settings import load
from workloads.hospital import HospitalArgs, HospitalService
from workloads.platform import Platform

# Settings: everything that differs between environments, checked before anything is touched.
settings = load(Path(__file__).parent)

# Foundation: the cloud account, the cluster, and who trusts its workloads.
aws = account(settings)
cluster = connect(settings, aws)
trust = identity.trust_cluster(settings.environment, aws.here, cluster.issuer)
logins = vault.trust_cluster(settings, cluster)

# Platform: what all hospitals share and none owns.
platform = Platform("platform", settings, cluster)

# Hospitals: one entry each, nothing shared between them.
hospitals = {
    entry.name: HospitalService(
        entry.name,
        HospitalArgs(settings, entry, aws, cluster, trust, logins, platform),
    )
    for entry in settings.hospitals
}

# Outputs: where things are; nothing secret.
pulumi.export("environment", settings.environment)
pulumi.export("hospitals", {name: hospital.summary for name, hospital in hospitals.items()})
