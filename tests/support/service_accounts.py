"""The workload table by ServiceAccount, as deployed objects name workloads."""

from workloads.zones.workload_table import table

ZONES = {row.service_account: row.zone for row in table().workloads.values()}
GRANTS = {row.service_account: table().grants(key) for key, row in table().workloads.items() if row.buckets}
# Deployed where the stack has a PostgreSQL server of its settings.
DATABASE_ADMINISTRATORS = {row.service_account for row in table().workloads.values() if row.administers_database}
VAULT_RULES = {row.service_account: row.vault for row in table().workloads.values() if row.vault}
