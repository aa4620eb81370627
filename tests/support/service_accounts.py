"""The workload table by ServiceAccount, as deployed objects name workloads."""

from workloads.zones.workload_table import table

ZONES = {row.service_account: row.zone for row in table().workloads.values()}
GRANTS = {row.service_account: table().grants(key) for key, row in table().workloads.items() if row.has_role}
VAULT_RULES = {row.service_account: row.vault for row in table().workloads.values() if row.vault}
