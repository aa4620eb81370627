"""EKS's add-ons: pods' network and names, volumes, and the agent of Pod Identity."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import eks
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked

from infra.blocks.pod_identity_role import PodRole, PodRoleArgs
from infra.settings import names
from infra.settings.values import Settings

TABLE = Path(__file__).with_name("addons.yaml")


@checked(frozen=True)
class Addon:
    """One row of the table ``addons.yaml``, which says what each field is for."""

    version: str
    early: bool = False
    service_account: str | None = None
    policies: tuple[str, ...] = ()
    configuration: dict[str, Any] = field(default_factory=dict)


@checked(frozen=True)
class Table:
    """The version of Kubernetes, and the add-ons that belong to it."""

    kubernetes: str
    addons: dict[str, Addon]


@cache
def table() -> Table:
    """Return the table."""
    return TypeAdapter(Table).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class AddonsArgs:
    """Which add-ons of which cluster.

    Parameters
    ----------
    settings
        The environment.
    cluster_name, cluster_arn
        The cluster.
    early
        Those that nodes need to become ready, or those that need nodes.
    """

    settings: Settings
    cluster_name: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    early: bool


class Addons(pulumi.ComponentResource):
    """Add-ons, each with the role that it takes; ``ids`` are known once they run."""

    ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Addons", name, None, opts)
        chosen = {key: addon for key, addon in table().addons.items() if addon.early is args.early}
        self.ids = [self._addon(key, addon, args) for key, addon in chosen.items()]
        self.register_outputs({"ids": self.ids})

    def _addon(self, key: str, addon: Addon, args: AddonsArgs) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        identities = None
        if addon.service_account:
            role = PodRole(key, PodRoleArgs(args.settings, key, args.cluster_arn, addon.policies), child)
            identities = [eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=addon.service_account)]
        return eks.Addon(
            key,
            cluster_name=args.cluster_name,
            addon_name=key,
            addon_version=addon.version,
            configuration_values=json.dumps(addon.configuration, sort_keys=True) if addon.configuration else None,
            pod_identity_associations=identities,
            # What somebody changed by hand in the cluster goes back to what is written here.
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        ).id
