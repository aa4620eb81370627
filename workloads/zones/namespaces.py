"""The namespaces of a hospital's zones: closed by default, limited, and open only as the zone table says."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.settings import names
from infra.settings.values import Amount, Contact, DataClass, Resources
from workloads.zones import network_policies
from workloads.zones.flow_table import Opening

_POD_SECURITY = "pod-security.kubernetes.io"
# The rules of one version of Kubernetes, so that an upgrade of the cluster changes nothing unseen.
_POD_SECURITY_VERSION = "v1.34"


@dataclass(frozen=True)
class Room:
    """What a zone has room for.

    Parameters
    ----------
    pods
        The most pods at once.
    total
        What they may ask for, and use, together.
    container
        The size of the largest container, which is also what a container gets that names none.
    entrances
        The most load balancers.
    """

    pods: int
    total: Resources
    container: Resources
    entrances: int = 0


NO_ROOM = Room(0, Resources(Amount(0, 0), Amount(0, 0)), Resources(Amount(50, 64), Amount(500, 512)))


@dataclass(frozen=True)
class ZonesArgs:
    """Whose zones, how large, and what is open.

    Parameters
    ----------
    hospital
        The hospital.
    holds
        The class of data in each zone.
    contact
        Whom to call and the agreement, which every namespace names.
    rooms
        Each zone with what it has room for.
    openings
        One policy for each end of each flow.
    """

    hospital: str
    holds: Mapping[str, str]
    contact: Contact | None
    rooms: dict[str, Room]
    openings: list[Opening]


class Zones(pulumi.ComponentResource):
    """A namespace a zone with its quota, limits and policies."""

    namespaces: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: ZonesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Zones", name, None, opts)
        self.namespaces = {}
        for zone, room in args.rooms.items():
            self.namespaces[zone] = self._zone(args, zone, room)
        for opening in args.openings:
            self._open(args.hospital, opening)
        self.register_outputs({"namespaces": self.namespaces})

    def _zone(self, args: ZonesArgs, zone: str, room: Room) -> pulumi.Output[str]:
        hospital = args.hospital
        full, child = names.namespace(hospital, zone), pulumi.ResourceOptions(parent=self)
        namespace = core.Namespace(
            full,
            metadata=ObjectMetaArgs(
                name=full,
                labels=home_labels(hospital, zone, args.holds[zone]),
                annotations=_called(args.contact),
            ),
            opts=child,
        )
        inside = namespace.metadata.name
        core.ResourceQuota(
            full,
            metadata=self._meta("zone", inside, hospital, zone),
            spec=core.ResourceQuotaSpecArgs(hard=_hard(room)),
            opts=child,
        )
        core.LimitRange(
            full,
            metadata=self._meta("zone", inside, hospital, zone),
            spec=core.LimitRangeSpecArgs(
                limits=[
                    core.LimitRangeItemArgs(
                        type="Container",
                        default=room.container.limits.quantities,
                        default_request=room.container.requests.quantities,
                        max=room.container.limits.quantities,
                    )
                ]
            ),
            opts=child,
        )
        networking.NetworkPolicy(
            f"{full}-default-deny",
            metadata=self._meta("default-deny", inside, hospital, zone),
            spec=network_policies.closed(),
            opts=child,
        )
        return inside

    def _open(self, hospital: str, opening: Opening) -> None:
        networking.NetworkPolicy(
            f"{hospital}-{opening.name}",
            metadata=self._meta(opening.name, self.namespaces[opening.zone], hospital, opening.zone),
            spec=network_policies.opened({names.WORKLOAD_LABEL: opening.workload}, opening.direction, opening.peer),
            opts=pulumi.ResourceOptions(parent=self),
        )

    @staticmethod
    def _meta(name: str, namespace: pulumi.Output[str], hospital: str, zone: str) -> ObjectMetaArgs:
        return ObjectMetaArgs(name=name, namespace=namespace, labels=names.labels(hospital, zone))


def home_labels(hospital: str, zone: str, holds: str) -> dict[str, str]:
    """Return the labels of a namespace: whose it is, what it holds, and which pods it admits.

    Parameters
    ----------
    hospital, zone
        Whose it is; shared ones belong to no hospital.
    holds
        The class of its data, or none.
    """
    phi = holds != "none" and names.holds_phi(DataClass(holds))
    own = names.labels(hospital, zone, owner=names.OWNER, phi=str(phi).lower(), data_class=holds)
    modes = {f"{_POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {**own, **modes, f"{_POD_SECURITY}/enforce-version": _POD_SECURITY_VERSION}


def _called(contact: Contact | None) -> dict[str, str] | None:
    if contact is None:
        return None
    return names.notes(baa=contact.baa, security_contact=contact.security, notify=contact.notify)


def _hard(room: Room) -> dict[str, str]:
    """Return a quota; what no zone needs (volumes) is none at all."""
    asked = {f"requests.{name}": amount for name, amount in room.total.requests.quantities.items()}
    used = {f"limits.{name}": amount for name, amount in room.total.limits.quantities.items()}
    # A load balancer of AWS finds its pods by a port of the nodes.
    ways_in = {f"services.{kind}": str(room.entrances) for kind in ("loadbalancers", "nodeports")}
    return {"pods": str(room.pods), **asked, **used, "persistentvolumeclaims": "0", **ways_in}
