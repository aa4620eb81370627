"""The encryption matrix: each store at rest and on the way, the key, and how the key is kept."""

from dataclasses import dataclass

from policy_pack.evidence.data.inventory import phi
from policy_pack.facts.data_stores import Keys, Kind, Store, encrypted, kinds
from policy_pack.facts.database_access import stores as databases
from policy_pack.facts.iam.policies import of_store
from policy_pack.facts.ownership import Places
from policy_pack.facts.vault_access import things
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import DATABASES, KEY
from policy_pack.stack.text import called, flag, word

_KAFKA = "aws:msk/cluster:Cluster"
_PARAMETERS = (
    ("dbClusterParameterGroupName", "aws:rds/clusterParameterGroup:ClusterParameterGroup"),
    ("parameterGroupName", "aws:rds/parameterGroup:ParameterGroup"),
)
VAULT = "Vault"
NOT_TOLD = "not told by the state"


@dataclass(frozen=True)
class Line:
    """One store.

    Parameters
    ----------
    urn, store, name, hospital, data_class, phi
        What it is and what it holds.
    at_rest, key
        Whether and by which key it is encrypted.
    rotation, waiting
        Whether the key rotates, and the days before a deletion of it takes effect.
    on_the_way
        How it is spoken to.
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
    waiting: str
    on_the_way: str


def encryption(graph: Graph, places: Places, settings: Settings) -> list[Line]:
    """Return every store that the table of kinds knows, and what Vault keeps."""
    keys = Keys(graph)
    lines = [
        _line(graph, resource, row, keys, places, settings)
        for kind, row in kinds().items()
        if kind != KEY
        for resource in graph.of(kind)
    ]
    outside = {store.urn: store for store in databases(graph).values() if store.kind not in kinds()}
    lines += [_outside(store, "PostgreSQL", places, settings) for store in outside.values()]
    lines += [_outside(thing, VAULT, places, settings) for thing in things(graph) if thing.urn not in outside]
    return sorted(lines, key=lambda line: (not line.hospital, line.hospital, line.store, line.name, line.urn))


def _line(graph: Graph, resource: Resource, row: Kind, keys: Keys, places: Places, settings: Settings) -> Line:
    whose, key = places.of(resource), keys.of(resource)
    days = key.at("deletionWindowInDays").raw if key else None
    return Line(
        urn=resource.urn,
        store=row.title,
        name=called(resource),
        hospital=whose.hospital,
        data_class=whose.data_class,
        phi=phi(whose.phi, whose.data_class, settings),
        at_rest="encrypted by KMS" if encrypted(resource, keys) else "not encrypted by a key of ours",
        key=keys.told(resource),
        rotation=("yearly" if flag(key.at("enableKeyRotation")) else "never") if key else "",
        waiting=f"{days} days" if isinstance(days, int) else "30 days" if key else "",
        on_the_way=row.way or _way(graph, resource, row),
    )


def _outside(thing: Resource, store: str, places: Places, settings: Settings) -> Line:
    """Return what is kept by Vault, or by a database that the stack only has logins of."""
    whose = places.of(thing)
    vault = store == VAULT
    address = str(thing.provider.get("address") or "")
    way = "TLS" if address.startswith("https://") else "plain text" if address else NOT_TOLD
    return Line(
        thing.urn,
        store,
        thing.name,
        whose.hospital,
        whose.data_class,
        phi(whose.phi, whose.data_class, settings),
        "encrypted by Vault, whose seal is outside of this stack" if vault else NOT_TOLD,
        "Vault's own" if vault else "",
        "",
        "",
        way if vault else NOT_TOLD,
    )


def _way(graph: Graph, resource: Resource, row: Kind) -> str:
    if resource.kind == _KAFKA:
        plain = word(resource.at("encryptionInfo.encryptionInTransit.clientBroker")) not in ("", "TLS")
        return "TLS or plain text" if plain else "TLS only"
    if resource.kind in DATABASES:
        return _database(graph, resource)
    return _by_policy(graph, resource, row) if row.policy else NOT_TOLD


def _by_policy(graph: Graph, resource: Resource, row: Kind) -> str:
    held = of_store(graph, Store(resource, row, "", "")) or []
    denials = [item.statement for item in held if not item.statement.allows and item.statement.anybody]
    tests = [values for denial in denials for _, values in denial.tests("aws:SecureTransport")]
    if ("false",) not in tests:
        return "TLS or plain text"
    versions = [values[0] for denial in denials for _, values in denial.tests("s3:TlsVersion") if values]
    return f"TLS {max(versions)} or newer only" if versions else "TLS only"


def _database(graph: Graph, database: Resource) -> str:
    groups = [group for path, kind in _PARAMETERS if (group := graph.target(database, path, (kind,), ("name", "id")))]
    forced = [
        str(parameter.at("value").raw) == "1"
        for group in groups
        for parameter in group.at("parameters").items()
        if word(parameter.at("name")) == "rds.force_ssl"
    ]
    return "TLS only" if forced and all(forced) else "TLS offered, not forced by the stack"
