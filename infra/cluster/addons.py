"""EKS add-ons from the table ``addons.yaml``, each with its Pod Identity role."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pulumi
import yaml
from pulumi_aws import eks
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from infra.blocks.pod_identity_role import PodRole, PodRoleArgs
from infra.settings import Settings, names

TABLE = Path(__file__).with_name("addons.yaml")


@validated(frozen=True)
class Addon:
    """A row of the table; ``addons.yaml`` documents the fields."""

    version: str
    before_nodes: bool = False
    service_account: str | None = None
    managed_policies: tuple[str, ...] = ()
    configuration: dict[str, Any] = field(default_factory=dict)


@validated(frozen=True)
class AddonTable:
    """The Kubernetes version, the image of nodes, and the add-ons for it."""

    kubernetes: str
    node_image: Annotated[str, Field(pattern=r"^v\d{8}$")]
    addons: dict[str, Addon]


@cache
def table() -> AddonTable:
    """Return the table."""
    return TypeAdapter(AddonTable).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class AddonsArgs:
    """Arguments of the add-ons.

    Parameters
    ----------
    settings
        The stack's settings.
    cluster_name, cluster_arn
        The cluster.
    before_nodes
        Selects the add-ons that nodes need to become ready, or those that need nodes.
    """

    settings: Settings
    cluster_name: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    before_nodes: bool


class Addons(pulumi.ComponentResource):
    """EKS add-ons with their roles; ``ids`` resolve once the add-ons are active."""

    ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Addons", name, None, opts)
        self.ids = [
            self._addon(key, addon, args)
            for key, addon in table().addons.items()
            if addon.before_nodes is args.before_nodes
        ]
        self.register_outputs({"ids": self.ids})

    def _addon(self, key: str, addon: Addon, args: AddonsArgs) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        associations = None
        if addon.service_account:
            role = PodRole(key, PodRoleArgs(args.settings, key, args.cluster_arn, addon.managed_policies), child)
            associations = [
                eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=addon.service_account)
            ]
        return eks.Addon(
            key,
            cluster_name=args.cluster_name,
            addon_name=key,
            addon_version=addon.version,
            configuration_values=json.dumps(addon.configuration, sort_keys=True) if addon.configuration else None,
            pod_identity_associations=associations,
            # Manual changes in the cluster are overwritten.
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            tags=names.tags(args.settings.environment, phi=False),
            opts=child,
        ).id
