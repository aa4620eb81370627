"""The inventory: every resource, whose it is, what it holds, how it is kept, and when it last changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from policy_pack.evidence.data.backups import Backups
from policy_pack.facts.data_stores import Keys, encrypted, kinds
from policy_pack.facts.ownership import Places
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import called, flag


@dataclass(frozen=True)
class Asset:
    """One resource.

    Parameters
    ----------
    urn, kind, name
        What it is.
    hospital, zone, owner
        Whose it is and where.
    data_class, phi
        What it holds: ``PHI``, ``no PHI``, or nothing where nothing says.
    encryption, key
        Whether it is encrypted, and by which key; of stores alone.
    backup
        The copies that are kept of it.
    changed
        When it last changed.
    emulated
        Whether it was really made, as far as is known.
    """

    urn: str
    kind: str
    name: str
    hospital: str
    zone: str
    owner: str
    data_class: str
    phi: str
    encryption: str
    key: str
    backup: tuple[str, ...]
    changed: str
    emulated: bool


def inventory(graph: Graph, places: Places, settings: Settings, changed: Mapping[str, str]) -> list[Asset]:
    """Return every resource once, hospital by hospital."""
    keys, backups = Keys(graph), Backups(graph)
    found = [_asset(resource, places, settings, keys, backups, changed) for resource in graph]
    return sorted(found, key=lambda asset: (not asset.hospital, asset.hospital, asset.kind, asset.name, asset.urn))


def _asset(
    resource: Resource, places: Places, settings: Settings, keys: Keys, backups: Backups, changed: Mapping[str, str]
) -> Asset:
    whose = places.of(resource)
    stored = resource.kind in kinds()
    return Asset(
        urn=resource.urn,
        kind=resource.kind,
        name=called(resource),
        hospital=whose.hospital,
        zone=places.where(resource),
        owner=whose.owner,
        data_class=whose.data_class,
        phi=phi(whose.phi, whose.data_class, settings),
        encryption=("encrypted" if encrypted(resource, keys) else "not encrypted") if _has_key(resource) else "",
        key=keys.told(resource) if stored else "",
        backup=tuple(backups.of(resource)) if stored else (),
        changed=changed.get(resource.urn, ""),
        emulated=not flag(resource.at("notEmulated")),
    )


def _has_key(resource: Resource) -> bool:
    row = kinds().get(resource.kind)
    return row is not None and (bool(row.key) or row.title == "bucket")


def phi(told: str, data_class: str, settings: Settings) -> str:
    """Return whether PHI is held: by tag, else by the data class; nothing where neither says."""
    if told in ("true", "false"):
        return "PHI" if told == "true" else "no PHI"
    if data_class:
        return "PHI" if settings.phi(data_class) else "no PHI"
    return ""
