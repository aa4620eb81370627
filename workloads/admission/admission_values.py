"""Values of the admission table's open variables, from the tables of zones, workloads and node classes."""

import json
from collections.abc import Mapping

from infra.blocks.role_policies import TOKEN_AUDIENCE
from infra.cluster import pools
from infra.cluster.cluster import Cluster
from infra.cluster.node_classes import Placement
from infra.settings import Settings, names
from workloads.admission.admission_table import AdmissionTable
from workloads.zones.flow_table import ZoneTable
from workloads.zones.workload_table import GATEWAY, Workload

# Kubernetes adds these two to every pod.
_ADDED_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "value": "", "effect": "NoExecute"}
    for state in ("not-ready", "unreachable")
]
# A token without an audience is for the API server, and Vault reviews it there.
_API_SERVER = ""


def values(table: AdmissionTable, zones: ZoneTable, settings: Settings, cluster: Cluster) -> dict[str, str]:
    """Return the CEL expression of each open variable; JSON is CEL."""
    registries = sorted({image.rpartition("/")[0] + "/" for _, image in cluster.images})
    gateway, kind = table.gateway, settings.cluster
    parameters: dict[str, object] = {
        "accounts": {zone: _accounts(table, zones.workloads, zone) for zone in zones.zones},
        "audiences": {**_audiences(zones.workloads), gateway.service_account: [gateway.audience]},
        "registries": {
            zone: [*registries, *(gateway.registries if _is_gateways(zones, zone) else ())] for zone in zones.zones
        },
        "tagged": {zone: list(gateway.tagged_images if _is_gateways(zones, zone) else ()) for zone in zones.zones},
        "priorities": _priorities(table, zones.workloads),
        "selectors": {
            zone: {name: placement.node_selector for name, placement in _placements(cluster, zone).items()}
            for zone in zones.zones
        },
        "tolerations": {
            zone: {
                name: [*placement.tolerations, *_ADDED_TOLERATIONS]
                for name, placement in _placements(cluster, zone).items()
            }
            for zone in zones.zones
        },
        "deployers": [table.deployers[kind]],
        "administrators": [table.administrators[kind]],
        "kserve": table.kserve[kind],
        "gateway_controller": table.gateway_controller,
        "cleaners": list(table.cleaners),
        "injections": {
            workload.service_account: workload.annotations("${hospital}")
            for workload in zones.workloads.values()
            if workload.secrets
        },
        "agent_image": cluster.images.agent,
        "agent_containers": list(table.agent.containers),
        "agent_volumes": list(table.agent.volumes),
        "agent_command": list(table.agent.command),
        "agent_script": table.agent.scripts[kind],
        "buckets": f"{names.stem(settings.environment)}-",
    }
    return {name: json.dumps(value) for name, value in parameters.items()}


def _accounts(table: AdmissionTable, workloads: Mapping[str, Workload], zone: str) -> dict[str, str]:
    """Return the pods' label of each ServiceAccount of a zone; Envoy Gateway names the account as the Gateway."""
    return {
        table.gateway.service_account if name == GATEWAY else workload.service_account: workload.service_account
        for name, workload in workloads.items()
        if workload.zone == zone and not workload.person
    }


def _priorities(table: AdmissionTable, workloads: Mapping[str, Workload]) -> dict[str, list[str]]:
    """Return the priority classes of each ServiceAccount; a shadow's model servers are in a pool of their own."""
    return {
        table.gateway.service_account if name == GATEWAY else workload.service_account: [
            pools.priority_class(pool)
            for pool in (workload.pool, *([pools.STAGING] if workload.pods.per_release else []))
        ]
        for name, workload in workloads.items()
        if not workload.person
    }


def _placements(cluster: Cluster, zone: str) -> dict[str, Placement]:
    """Return where pods of a zone may be, by priority class."""
    return {pools.priority_class(pool): cluster.placement(zone, pool) for pool in pools.table().pools}


def _audiences(workloads: Mapping[str, Workload]) -> dict[str, list[str]]:
    return {
        workload.service_account: [
            *([TOKEN_AUDIENCE] if workload.has_role else []),
            *([_API_SERVER] if workload.vault_rules else []),
        ]
        for workload in workloads.values()
        if workload.has_account and not workload.person
    }


def _is_gateways(zones: ZoneTable, zone: str) -> bool:
    return zones.workloads[GATEWAY].zone == zone
