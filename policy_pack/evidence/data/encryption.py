"""The encryption matrix: encryption of each store at rest and in transit, its key, and the rotation of the key."""

from dataclasses import dataclass

from policy_pack.evidence.data.inventory import holds_phi
from policy_pack.facts.data_stores import EncryptionKeys, Kind, is_encrypted, kinds
from policy_pack.facts.iam.conditions import transport_requirement
from policy_pack.facts.iam.targets import has_policy, resource_policy
from policy_pack.facts.ownership import OwnershipIndex
from policy_pack.facts.postgres.logins import databases_by_login
from policy_pack.facts.vault.access import vault_resources
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DATABASES, KEY
from policy_pack.stack.text import display_name, known_text, known_true

_KAFKA = "aws:msk/cluster:Cluster"
_PARAMETER_GROUPS = (
    ("dbClusterParameterGroupName", "aws:rds/clusterParameterGroup:ClusterParameterGroup"),
    ("parameterGroupName", "aws:rds/parameterGroup:ParameterGroup"),
)
VAULT = "Vault"
UNKNOWN = "not in the state"


@dataclass(frozen=True)
class EncryptionRow:
    """The encryption of one store.

    Parameters
    ----------
    urn, store, name, hospital, data_class, phi
        The store, its owner, and the data in it.
    at_rest, key
        Whether it is encrypted at rest, and with which key.
    rotation, deletion_window
        The rotation of the key, and the days before its deletion takes effect.
    in_transit
        The encryption in transit.
    """

    urn: str
    store: str
    name: str
    hospital: str
    data_class: str
    phi: str
    at_rest: str
    key: str
    rotation: str
    deletion_window: str
    in_transit: str


def encryption(graph: Graph, owners: OwnershipIndex, settings: Settings) -> list[EncryptionRow]:
    """Return a row for every data store, and for every key and secret in Vault."""
    keys = EncryptionKeys(graph)
    rows = [
        _row(graph, resource, store_kind, keys, owners, settings)
        for kind, store_kind in kinds().items()
        if kind != KEY
        for resource in graph.of(kind)
    ]
    databases = {store.urn: store for store in databases_by_login(graph).values() if store.kind not in kinds()}
    rows += [_external(store, "PostgreSQL", owners, settings) for store in databases.values()]
    vault = [resource for resource in vault_resources(graph) if resource.urn not in databases]
    rows += [_external(resource, VAULT, owners, settings) for resource in vault]
    return sorted(rows, key=lambda row: (not row.hospital, row.hospital, row.store, row.name, row.urn))


def _row(
    graph: Graph, resource: Resource, kind: Kind, keys: EncryptionKeys, owners: OwnershipIndex, settings: Settings
) -> EncryptionRow:
    owner, key = owners.of(resource), keys.of(resource)
    days = key.at("deletionWindowInDays").raw if key else None
    encrypted = is_encrypted(resource, keys)
    return EncryptionRow(
        urn=resource.urn,
        store=kind.title,
        name=display_name(resource),
        hospital=owner.hospital,
        data_class=owner.data_class,
        phi=holds_phi(owner.phi, owner.data_class, settings),
        at_rest="encrypted with KMS" if encrypted else "not encrypted with a customer-managed KMS key",
        key=keys.key_name(resource),
        rotation=("yearly" if known_true(key.at("enableKeyRotation")) else "never") if key else "",
        deletion_window=f"{days} days" if isinstance(days, int) else "30 days" if key else "",
        in_transit=kind.transport or _in_transit(graph, resource),
    )


def _external(resource: Resource, store: str, owners: OwnershipIndex, settings: Settings) -> EncryptionRow:
    """Return the row of a resource in Vault, or of a database that the stack only has credentials for."""
    owner = owners.of(resource)
    vault = store == VAULT
    address = str(resource.provider.get("address") or "")
    vault_transport = "TLS" if address.startswith("https://") else "plain text" if address else UNKNOWN
    return EncryptionRow(
        urn=resource.urn,
        store=store,
        name=resource.name,
        hospital=owner.hospital,
        data_class=owner.data_class,
        phi=holds_phi(owner.phi, owner.data_class, settings),
        at_rest="encrypted by Vault, whose seal is outside this stack" if vault else UNKNOWN,
        key="Vault's root key" if vault else "",
        rotation="",
        deletion_window="",
        in_transit=vault_transport if vault else UNKNOWN,
    )


def _in_transit(graph: Graph, resource: Resource) -> str:
    if resource.kind == _KAFKA:
        plain = known_text(resource.at("encryptionInfo.encryptionInTransit.clientBroker")) not in ("", "TLS")
        return "TLS or plain text" if plain else "TLS only"
    if resource.kind in DATABASES:
        return _database(graph, resource)
    return _by_policy(graph, resource) if has_policy(resource) else UNKNOWN


def _by_policy(graph: Graph, resource: Resource) -> str:
    policy = resource_policy(graph, resource).statements or ()
    required = transport_requirement(item.statement for item in policy)
    if not required.tls_only:
        return "TLS or plain text"
    return f"TLS {required.minimum_version} or newer only" if required.minimum_version else "TLS only"


def _database(graph: Graph, database: Resource) -> str:
    groups = [
        group for path, kind in _PARAMETER_GROUPS if (group := graph.target(database, path, (kind,), ("name", "id")))
    ]
    forced = [
        str(parameter.at("value").raw) == "1"
        for group in groups
        for parameter in group.at("parameters").items()
        if known_text(parameter.at("name")) == "rds.force_ssl"
    ]
    return "TLS only" if forced and all(forced) else "TLS available, not forced by the stack (rds.force_ssl)"
