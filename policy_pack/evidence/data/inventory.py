"""The asset inventory: every resource with its owner, its data, its encryption, its backups and its last change."""

from collections.abc import Mapping
from dataclasses import dataclass

from policy_pack.evidence.data.backups import Backups
from policy_pack.facts.data_stores import EncryptionKeys, is_encrypted, kinds
from policy_pack.facts.ownership import OwnershipIndex
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import BUCKET
from policy_pack.stack.text import display_name, known_true


@dataclass(frozen=True)
class Asset:
    """One resource.

    Parameters
    ----------
    urn, kind, name
        The resource.
    hospital, zone, owner
        Its owner and location.
    data_class, phi
        Its data: ``PHI``, ``no PHI``, or empty where that is unknown.
    encryption, key
        For data stores, whether it is encrypted, and with which key.
    backup
        Its backups and copies.
    changed
        The time of the last change.
    emulated
        Whether the resource was created, as far as is known.
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


def inventory(graph: Graph, owners: OwnershipIndex, settings: Settings, changed: Mapping[str, str]) -> list[Asset]:
    """Return every resource once, by hospital."""
    keys, backups = EncryptionKeys(graph), Backups(graph)
    assets = [_asset(resource, owners, settings, keys, backups, changed) for resource in graph]
    return sorted(assets, key=lambda asset: (not asset.hospital, asset.hospital, asset.kind, asset.name, asset.urn))


def _asset(
    resource: Resource,
    owners: OwnershipIndex,
    settings: Settings,
    keys: EncryptionKeys,
    backups: Backups,
    changed: Mapping[str, str],
) -> Asset:
    owner = owners.of(resource)
    is_store = resource.kind in kinds()
    return Asset(
        urn=resource.urn,
        kind=resource.kind,
        name=display_name(resource),
        hospital=owner.hospital,
        zone=owners.location(resource),
        owner=owner.owner,
        data_class=owner.data_class,
        phi=holds_phi(owner.phi, owner.data_class, settings),
        encryption=_encryption(resource, keys),
        key=keys.key_name(resource) if is_store else "",
        backup=tuple(backups.of(resource)) if is_store else (),
        changed=changed.get(resource.urn, ""),
        emulated=not known_true(resource.at("notEmulated")),
    )


def _encryption(resource: Resource, keys: EncryptionKeys) -> str:
    row = kinds().get(resource.kind)
    if row is None or not (row.key or resource.kind == BUCKET):
        return ""
    return "encrypted" if is_encrypted(resource, keys) else "not encrypted"


def holds_phi(tag: str, data_class: str, settings: Settings) -> str:
    """Return ``PHI`` or ``no PHI`` by the tag, otherwise by the data class; empty where there is neither."""
    if tag in ("true", "false"):
        return "PHI" if tag == "true" else "no PHI"
    if data_class:
        return "PHI" if settings.phi(data_class) else "no PHI"
    return ""
