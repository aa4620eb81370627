"""The workload table by ServiceAccount, as the objects of the dev stack name workloads."""

import yaml

from tests.support.repository import REPOSITORY
from workloads.zones.workload_table import table

_CONFIG = yaml.safe_load((REPOSITORY / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
# Behind a gateway are workloads that the stack has only with one.
CLINIC = bool(_CONFIG.get("healthcare-mlops:gateway"))
ROWS = table().present(database=True, clinic=CLINIC)
ZONES = {row.service_account: row.zone for row in table().workloads.values() if not row.person}
GRANTS = {row.service_account: table().grants(key) for key, row in ROWS.items() if row.buckets}
# Deployed where the stack has a PostgreSQL server of its settings.
DATABASE_ADMINISTRATORS = {row.service_account for row in ROWS.values() if row.administers_database}
VAULT_RULES = {row.service_account: row.vault_rules for row in ROWS.values() if row.vault_rules}
