"""Namespaces of a hospital's zones, with ResourceQuota, LimitRange and the NetworkPolicies of the zone table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.cluster.pools import priority_class
from infra.settings import Contact, DataClass, Resources, names
from workloads.zones import network_policies
from workloads.zones.flow_table import PolicyRule
from workloads.zones.quotas import PoolQuota, ZoneQuota

_POD_SECURITY = "pod-security.kubernetes.io"
# Pinned, so that an upgrade of the cluster does not change the checks.
_POD_SECURITY_VERSION = "v1.34"


@dataclass(frozen=True)
class ZonesArgs:
    """Arguments of a hospital's zones.

    Parameters
    ----------
    hospital
        The hospital's name.
    holds, passes
        The data class that each zone stores, and that passes through it; or none.
    contact
        Security contact and agreement, which namespaces have as annotations.
    quotas
        The quota of each zone.
    policy_rules
        The rules of NetworkPolicies, one policy each.
    """

    hospital: str
    holds: Mapping[str, str]
    passes: Mapping[str, str]
    contact: Contact | None
    quotas: Mapping[str, ZoneQuota]
    policy_rules: Sequence[PolicyRule]


class Zones(pulumi.ComponentResource):
    """Namespaces of a hospital's zones; ``namespaces`` by zone."""

    namespaces: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: ZonesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:workloads:Zones", name, None, opts)
        self.namespaces = {}
        for zone, quota in args.quotas.items():
            self.namespaces[zone] = self._zone(args, zone, quota)
        for rule in args.policy_rules:
            self._network_policy(args.hospital, rule)
        self.register_outputs({"namespaces": self.namespaces})

    def _zone(self, args: ZonesArgs, zone: str, quota: ZoneQuota) -> pulumi.Output[str]:
        hospital = args.hospital
        full_name, child = names.namespace(hospital, zone), pulumi.ResourceOptions(parent=self)
        namespace = core.Namespace(
            full_name,
            metadata=ObjectMetaArgs(
                name=full_name,
                labels=namespace_labels(hospital, zone, args.holds[zone], args.passes[zone]),
                annotations=_contact_annotations(args.contact),
            ),
            opts=child,
        ).metadata.name
        core.ResourceQuota(
            full_name,
            metadata=self._metadata("zone", namespace, hospital, zone),
            spec=core.ResourceQuotaSpecArgs(hard=_hard(quota)),
            opts=child,
        )
        for pool, part in quota.pools.items():
            self._pool_quota(hospital, zone, pool, part, namespace)
        core.LimitRange(
            full_name,
            metadata=self._metadata("zone", namespace, hospital, zone),
            spec=core.LimitRangeSpecArgs(
                limits=[
                    core.LimitRangeItemArgs(
                        type="Container",
                        default=quota.container.limits.quantities,
                        default_request=quota.container.requests.quantities,
                        max=quota.container.limits.quantities,
                    )
                ]
            ),
            opts=child,
        )
        networking.NetworkPolicy(
            f"{full_name}-default-deny",
            metadata=self._metadata("default-deny", namespace, hospital, zone),
            spec=network_policies.default_deny(),
            opts=child,
        )
        return namespace

    def _pool_quota(self, hospital: str, zone: str, pool: str, part: PoolQuota, namespace: pulumi.Output[str]) -> None:
        """Declare the ResourceQuota of a pool's pods, which have its PriorityClass."""
        scope = core.ScopedResourceSelectorRequirementArgs(
            scope_name="PriorityClass", operator="In", values=[priority_class(pool)]
        )
        core.ResourceQuota(
            f"{names.namespace(hospital, zone)}-{pool}",
            metadata=self._metadata(pool, namespace, hospital, zone),
            spec=core.ResourceQuotaSpecArgs(
                hard={**_amounts(part.total), "pods": str(part.pods)},
                scope_selector=core.ScopeSelectorArgs(match_expressions=[scope]),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _network_policy(self, hospital: str, rule: PolicyRule) -> None:
        networking.NetworkPolicy(
            f"{hospital}-{rule.name}",
            metadata=self._metadata(rule.name, self.namespaces[rule.zone], hospital, rule.zone),
            spec=network_policies.allow({names.WORKLOAD_LABEL: rule.pods}, rule.direction, rule.peer),
            opts=pulumi.ResourceOptions(parent=self),
        )

    @staticmethod
    def _metadata(name: str, namespace: pulumi.Output[str], hospital: str, zone: str) -> ObjectMetaArgs:
        return ObjectMetaArgs(name=name, namespace=namespace, labels=names.labels(hospital, zone))


def namespace_labels(hospital: str, zone: str, holds: str, passes: str) -> dict[str, str]:
    """Return the labels of a namespace: owner, data classes, and Pod Security Standard "restricted".

    Parameters
    ----------
    hospital, zone
        The hospital (``shared`` for platform namespaces) and its zone.
    holds, passes
        The data class that it stores, and that passes through it; or none.
    """
    phi = holds != "none" and names.holds_phi(DataClass(holds))
    labels = names.labels(hospital, zone, owner=names.OWNER, phi=str(phi).lower(), data_class=holds, data_passes=passes)
    modes = {f"{_POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {**labels, **modes, f"{_POD_SECURITY}/enforce-version": _POD_SECURITY_VERSION}


def _contact_annotations(contact: Contact | None) -> dict[str, str] | None:
    if contact is None:
        return None
    return names.notes(baa=contact.baa, security_contact=contact.security, notify=contact.notify)


def _hard(quota: ZoneQuota) -> dict[str, str]:
    # A load balancer of AWS reaches its pods through node ports.
    services = {f"services.{kind}": str(quota.load_balancers) for kind in ("loadbalancers", "nodeports")}
    return {"pods": str(quota.pods), **_amounts(quota.total), "persistentvolumeclaims": "0", **services}


def _amounts(total: Resources) -> dict[str, str]:
    requests = {f"requests.{name}": quantity for name, quantity in total.requests.quantities.items()}
    limits = {f"limits.{name}": quantity for name, quantity in total.limits.quantities.items()}
    return {**requests, **limits}
