"""Certificates of the authorities of the database server: a ConfigMap in a zone, and its mount in pods."""

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.databases.databases import AUTHORITIES_FOLDER, AUTHORITIES_KEY, DatabaseServer
from infra.settings import names

CONFIG_MAP = "database-authorities"


def authorities_config_map(
    hospital: str, zone: str, namespace: pulumi.Output[str], authorities: str, opts: pulumi.ResourceOptions
) -> core.ConfigMap:
    """Declare the ConfigMap of a zone; pods see its changes within minutes, and a new connection uses them."""
    return core.ConfigMap(
        f"{names.namespace(hospital, zone)}-{CONFIG_MAP}",
        metadata=ObjectMetaArgs(name=CONFIG_MAP, namespace=namespace, labels=names.labels(hospital, zone)),
        data={AUTHORITIES_KEY: authorities},
        opts=opts,
    )


def authorities_volumes(server: DatabaseServer | None) -> list[core.VolumeArgs]:
    """Return the volume of a pod that connects to a server whose authorities the stack publishes; none for others."""
    if server is None or server.authorities is None:
        return []
    items = [core.KeyToPathArgs(key=AUTHORITIES_KEY, path=AUTHORITIES_KEY)]
    source = core.ConfigMapVolumeSourceArgs(name=CONFIG_MAP, items=items)
    return [core.VolumeArgs(name=CONFIG_MAP, config_map=source)]


def authorities_mounts(server: DatabaseServer | None) -> list[core.VolumeMountArgs]:
    """Return the mount of each volume of :func:`authorities_volumes` in a container."""
    return [
        core.VolumeMountArgs(name=volume.name, mount_path=AUTHORITIES_FOLDER, read_only=True)
        for volume in authorities_volumes(server)
    ]
