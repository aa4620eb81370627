"""The compliance evidence of a stack as values, computed from its state and, on request, from its cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from policy_pack.engine.evaluate import Evaluator, evaluate
from policy_pack.evidence import labels
from policy_pack.evidence.control_report import ControlResult, control_counts, control_results, exemption_violations
from policy_pack.evidence.data.encryption import EncryptionRow, encryption
from policy_pack.evidence.data.inventory import Asset, inventory
from policy_pack.evidence.network.data_flow import DataFlow, data_flow
from policy_pack.evidence.network.network_map import NetworkMap, network_map
from policy_pack.evidence.network.workflows import ServedWorkflow, served_workflows
from policy_pack.evidence.provenance import Provenance, provenance
from policy_pack.evidence.risks import Risk, risks
from policy_pack.evidence.state_reader import StackState
from policy_pack.evidence.statements import Subject, subjects
from policy_pack.facts.access import Access, merge_access
from policy_pack.facts.cluster_drift import Drift, drift, with_cluster
from policy_pack.facts.iam.matrix import IamAccess
from policy_pack.facts.ownership import OwnershipIndex
from policy_pack.facts.postgres import logins as database_logins
from policy_pack.facts.rbac.permissions import ClusterPermission, cluster_permissions
from policy_pack.facts.vault import access as vault_access
from policy_pack.settings import Exemption, Settings
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import KEY, REPOSITORY


@dataclass(frozen=True)
class Report:
    """The compliance evidence of one stack.

    Parameters
    ----------
    stack, cluster_read, last_change
        The stack, whether its cluster was read as well, and the time of its last change.
    hospitals
        The hospitals of the stack.
    control_counts
        The number of controls by status.
    assets, encryption, network, data_flows
        The inventory, the encryption matrix, the network map, and the data flow of each hospital.
    access, cluster_permissions
        The access matrix, and what Kubernetes RBAC permits.
    cross_hospital
        Access of one hospital's ServiceAccounts to another hospital's stores.
    unresolved
        Policies whose text is not in the state, so that the access matrix cannot include them.
    controls, exemptions, exemption_violations, risks
        The result of every control, the exemptions of the stack, their own violations, and the risk assessment.
    drift
        Differences between the state and the cluster.
    labels
        The text for each store, by URN.
    provenance
        The date, the period and the tool of the evaluation.
    workflows
        What a release is used for, and the routes of gateways that serve it.
    statements
        What people stated, by subject.
    signed_by
        The fingerprint of the key that signs the evidence; empty where none does.
    """

    stack: str
    cluster_read: bool
    last_change: str
    hospitals: tuple[str, ...]
    control_counts: Mapping[str, int]
    assets: tuple[Asset, ...]
    encryption: tuple[EncryptionRow, ...]
    network: NetworkMap
    data_flows: tuple[DataFlow, ...]
    access: tuple[Access, ...]
    cluster_permissions: tuple[ClusterPermission, ...]
    cross_hospital: tuple[Access, ...]
    unresolved: tuple[str, ...]
    controls: tuple[ControlResult, ...]
    exemptions: tuple[Exemption, ...]
    exemption_violations: tuple[str, ...]
    risks: tuple[Risk, ...]
    drift: tuple[Drift, ...]
    labels: Mapping[str, str]
    provenance: Provenance
    workflows: tuple[ServedWorkflow, ...]
    statements: tuple[Subject, ...]
    signed_by: str

    @property
    def not_emulated(self) -> list[Asset]:
        """The resources that were declared and validated, but not created by the AWS emulator."""
        return [asset for asset in self.assets if not asset.emulated]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        values = asdict(self)
        values["exemptions"] = [exemption.model_dump(mode="json") for exemption in self.exemptions]
        return {**values, "not_emulated": [asset.urn for asset in self.not_emulated]}


@dataclass(frozen=True)
class Sources:
    """Sources of the evidence beside the stack.

    Parameters
    ----------
    cluster
        The objects of the cluster; None where it was not read.
    statements
        The folder of what people stated; None where there is none.
    since
        The first day of the period whose changes are counted.
    signed_by
        The fingerprint of the key that signs the evidence.
    """

    cluster: Sequence[Resource] | None = None
    statements: Path | None = None
    since: date | None = None
    signed_by: str = ""


def report(
    state: StackState, settings: Settings, addresses: Addresses | None, sources: Sources | None = None
) -> Report:
    """Return the evidence of a stack; permissions and NetworkPolicies are the cluster's where it was read."""
    sources = sources or Sources()
    graph, cluster = state.graph, sources.cluster
    settings = settings.not_before(graph.changed)
    actual = with_cluster(graph, cluster, settings) if cluster is not None else graph
    owners = OwnershipIndex(actual, settings)
    iam = IamAccess(actual)
    vault = vault_access.access(actual)
    access = merge_access([*iam.access(), *vault, *database_logins.access(actual, vault)])
    rbac = cluster_permissions(actual)
    evaluation = evaluate(Evaluator(settings, addresses), graph)
    controls = control_results(graph, evaluation, settings)
    network = network_map(StackContext(actual, settings, addresses))
    rows = tuple(encryption(graph, owners, settings))
    return Report(
        stack=graph.stack,
        cluster_read=cluster is not None,
        last_change=max(state.changed.values(), default=""),
        hospitals=tuple(owners.hospitals),
        control_counts=control_counts(controls),
        assets=tuple(inventory(graph, owners, settings, state.changed)),
        encryption=rows,
        network=network,
        data_flows=_data_flows(access, iam, actual, owners, network),
        access=tuple(access),
        cluster_permissions=rbac.permissions,
        cross_hospital=tuple(_cross_hospital(access, actual, owners)),
        unresolved=_unresolved(iam, actual, rbac.unresolved),
        controls=tuple(controls),
        exemptions=tuple(one for one in settings.exemptions if graph.stack in one.stacks),
        exemption_violations=tuple(exemption_violations(evaluation)),
        risks=tuple(risks(controls)),
        drift=tuple(drift(graph, cluster, settings)) if cluster is not None else (),
        labels=labels.store_labels(actual, {one.store for one in access} | {row.urn for row in rows}),
        provenance=provenance(settings.today, sources.since, state.changed, state.digest),
        workflows=tuple(served_workflows(graph)),
        statements=subjects(sources.statements, tuple(owners.hospitals), settings.today) if sources.statements else (),
        signed_by=sources.signed_by,
    )


def _data_flows(
    access: Sequence[Access], iam: IamAccess, graph: Graph, owners: OwnershipIndex, network: NetworkMap
) -> tuple[DataFlow, ...]:
    databases = database_logins.databases_by_login(graph).values()
    stores = [store.resource for store in iam.stores.values() if store.resource.kind not in (REPOSITORY, KEY)]
    owner_of = {resource.urn: owners.of(resource).hospital for resource in (*stores, *databases)}
    vault = frozenset(resource.urn for resource in vault_access.vault_resources(graph)) - owner_of.keys()
    return tuple(data_flow(hospital, access, owner_of, vault, network) for hospital in owners.hospitals)


def _cross_hospital(access: Sequence[Access], graph: Graph, owners: OwnershipIndex) -> list[Access]:
    """Return the access of one hospital's ServiceAccounts to stores of another hospital."""
    cross_hospital_access = []
    for one in access:
        store = graph.get(one.store)
        hospital = owners.hospital(one.principal.namespace)
        owner = owners.of(store).hospital if store else ""
        if {hospital, owner} <= set(owners.hospitals) and hospital != owner:
            cross_hospital_access.append(one)
    return cross_hospital_access


def _unresolved(iam: IamAccess, graph: Graph, bindings: Sequence[str]) -> tuple[str, ...]:
    return (
        *(f"role {role}: policy {policy}" for role, policy in iam.unresolved_policies()),
        *(f"binding {text}" for text in bindings),
        *(f"Vault policy {name}" for name in vault_access.unparsed_policies(graph)),
        *(f"database role {text}" for text in database_logins.unparsed_grants(graph)),
    )
