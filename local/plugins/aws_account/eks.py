"""Rows of the aws plugin for EKS clusters, node groups, add-ons and access entries."""

from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Form, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_LOGS: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")


def _tags(arn: str = "{arn}") -> Tags:
    add, remove = (Call(f"{how}Resource", frozenset(), fixed={"resourceArn": arn}) for how in ("Tag", "Untag"))
    return Tags(add, remove, sent="tags", into="tags", out="tagKeys", shown="tags")


def _send_logs(wanted: Any) -> Any:
    off = [name for name in _LOGS if name not in wanted]
    on = [{"types": list(wanted), "enabled": True}] if wanted else []
    return {"clusterLogging": [*on, *([{"types": off, "enabled": False}] if off else [])]}


def _show_logs(live: Any) -> Any:
    return sorted(name for log in live.get("clusterLogging", []) if log.get("enabled") for name in log["types"])


def _config(*names: str) -> Call:
    """Return the change of one part of a cluster; EKS takes one at a time."""
    places = {"vpcConfig": "resourcesVpcConfig", "enabledClusterLogTypes": "logging"}
    return Call("UpdateClusterConfig", frozenset(names), names=places, fixed={"name": "{id}"})


CLUSTER: Final = ApiType(
    "aws:eks/cluster:Cluster",
    "eks",
    Call("CreateCluster", names={"vpcConfig": "resourcesVpcConfig", "enabledClusterLogTypes": "logging"}),
    Call("DescribeCluster", fixed={"name": "{id}"}),
    "cluster",
    "{name}",
    changes=(
        Call(
            "UpdateClusterVersion",
            frozenset({"version", "forceUpdateVersion"}),
            names={"forceUpdateVersion": "force"},
            fixed={"name": "{id}"},
        ),
        _config("vpcConfig"),
        _config("enabledClusterLogTypes"),
        _config("upgradePolicy"),
        _config("zonalShiftConfig"),
        _config("computeConfig", "kubernetesNetworkConfig", "storageConfig"),
        _config("remoteNetworkConfig"),
        _config("deletionProtection"),
    ),
    deletes=(Call("DeleteCluster", fixed={"name": "{id}"}),),
    reads={"bootstrapSelfManagedAddons": "", "forceUpdateVersion": ""},
    filled=frozenset({"version"}),
    outputs={
        "arn": "arn",
        "certificateAuthority": "certificateAuthority.{data: data}",
        "createdAt": "createdAt",
        "endpoint": "endpoint",
        "identities": "[{oidcs: [{issuer: identity.oidc.issuer}]}]",
        "platformVersion": "platformVersion",
        "status": "status",
    },
    forms={"enabledClusterLogTypes": Form(_send_logs, _show_logs)},
    nested={
        "vpcConfig.clusterSecurityGroupId": "resourcesVpcConfig.clusterSecurityGroupId",
        "vpcConfig.vpcId": "resourcesVpcConfig.vpcId",
    },
    tags=_tags(),
    wait="cluster_active",
    wait_gone="cluster_deleted",
)

_NODES: Final = {"clusterName": "{clusterName}", "nodegroupName": "{nodeGroupName}"}

NODE_GROUP: Final = ApiType(
    "aws:eks/nodeGroup:NodeGroup",
    "eks",
    Call("CreateNodegroup", names={"nodeRoleArn": "nodeRole", "subnetIds": "subnets"}),
    Call("DescribeNodegroup", fixed=_NODES),
    "nodegroup",
    "{clusterName}:{nodeGroupName}",
    changes=(
        Call(
            "UpdateNodegroupConfig",
            frozenset({"labels", "nodeRepairConfig", "scalingConfig", "taints", "updateConfig", "warmPoolConfig"}),
            fixed=_NODES,
            sets={
                "labels": ("labels.addOrUpdateLabels", "labels.removeLabels"),
                "taints": ("taints.addOrUpdateTaints", "taints.removeTaints"),
            },
        ),
        Call(
            "UpdateNodegroupVersion",
            frozenset({"forceUpdateVersion", "launchTemplate", "releaseVersion", "version"}),
            names={"forceUpdateVersion": "force"},
            fixed=_NODES,
        ),
    ),
    deletes=(Call("DeleteNodegroup", fixed=_NODES),),
    reads={"forceUpdateVersion": ""},
    filled=frozenset({"amiType", "capacityType", "diskSize", "instanceTypes", "releaseVersion", "version"}),
    outputs={
        "arn": "nodegroupArn",
        "resources": "[{autoscalingGroups: resources.autoScalingGroups,"
        " remoteAccessSecurityGroupId: resources.remoteAccessSecurityGroup}]",
        "status": "status",
    },
    tags=_tags(),
    wait="nodegroup_active",
    wait_gone="nodegroup_deleted",
)

_ADDON: Final = {"clusterName": "{clusterName}", "addonName": "{addonName}"}

ADDON: Final = ApiType(
    "aws:eks/addon:Addon",
    "eks",
    Call("CreateAddon", names={"resolveConflictsOnCreate": "resolveConflicts"}),
    Call("DescribeAddon", fixed=_ADDON),
    "addon",
    "{clusterName}:{addonName}",
    changes=(
        Call(
            "UpdateAddon",
            frozenset(
                {
                    "addonVersion",
                    "configurationValues",
                    "podIdentityAssociations",
                    "resolveConflictsOnUpdate",
                    "serviceAccountRoleArn",
                }
            ),
            names={"resolveConflictsOnUpdate": "resolveConflicts"},
            fixed=_ADDON,
        ),
    ),
    deletes=(Call("DeleteAddon", fixed={**_ADDON, "preserve": "{preserve}"}),),
    # The response has only the associations' ARNs.
    reads={
        "podIdentityAssociations": "",
        "preserve": "",
        "resolveConflictsOnCreate": "",
        "resolveConflictsOnUpdate": "",
    },
    filled=frozenset({"addonVersion"}),
    outputs={"arn": "addonArn", "createdAt": "createdAt", "modifiedAt": "modifiedAt"},
    tags=_tags(),
    wait="addon_active",
    wait_gone="addon_deleted",
)

_ENTRY: Final = {"clusterName": "{clusterName}", "principalArn": "{principalArn}"}

ENTRY: Final = ApiType(
    "aws:eks/accessEntry:AccessEntry",
    "eks",
    Call("CreateAccessEntry"),
    Call("DescribeAccessEntry", fixed=_ENTRY),
    "accessEntry",
    "{clusterName}:{principalArn}",
    changes=(Call("UpdateAccessEntry", frozenset({"kubernetesGroups", "userName"}), fixed=_ENTRY),),
    deletes=(Call("DeleteAccessEntry", fixed=_ENTRY),),
    filled=frozenset({"kubernetesGroups", "userName"}),
    outputs={"accessEntryArn": "accessEntryArn", "createdAt": "createdAt", "modifiedAt": "modifiedAt"},
    tags=_tags("{accessEntryArn}"),
)

POLICY: Final = ApiType(
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "eks",
    Call("AssociateAccessPolicy"),
    Call("ListAssociatedAccessPolicies", fixed=_ENTRY),
    "associatedAccessPolicies[?policyArn=='{policyArn}'] | [0]",
    "{clusterName}#{principalArn}#{policyArn}",
    deletes=(Call("DisassociateAccessPolicy", fixed={**_ENTRY, "policyArn": "{policyArn}"}),),
    reads={"clusterName": "", "principalArn": ""},
    outputs={"associatedAt": "associatedAt", "modifiedAt": "modifiedAt"},
)

_ASSOCIATION: Final = {"clusterName": "{clusterName}", "associationId": "{id}"}

POD_IDENTITY: Final = ApiType(
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "eks",
    Call("CreatePodIdentityAssociation"),
    Call("DescribePodIdentityAssociation", fixed=_ASSOCIATION),
    "association",
    "association.associationId",
    changes=(
        Call(
            "UpdatePodIdentityAssociation",
            frozenset({"disableSessionTags", "policy", "roleArn", "targetRoleArn"}),
            fixed=_ASSOCIATION,
        ),
    ),
    deletes=(Call("DeletePodIdentityAssociation", fixed=_ASSOCIATION),),
    outputs={
        "associationArn": "associationArn",
        "associationId": "associationId",
        "externalId": "externalId",
    },
    tags=_tags("{associationArn}"),
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        CLUSTER,
        required=("roleArn", "vpcConfig"),
        autoname="name",
        autoname_length=100,
        unordered=frozenset({"enabledClusterLogTypes"}),
        unsupported={"defaultAddonsToRemoves": "set bootstrapSelfManagedAddons to false"},
    ),
    row(
        NODE_GROUP,
        required=("clusterName", "nodeRoleArn", "scalingConfig", "subnetIds"),
        autoname="nodeGroupName",
        autoname_length=63,
        unordered=frozenset({"subnetIds", "taints"}),
        unsupported={"nodeGroupNamePrefix": "give it a name"},
    ),
    row(
        ADDON,
        required=("addonName", "clusterName"),
        json=frozenset({"configurationValues"}),
    ),
    row(ENTRY, required=("clusterName", "principalArn"), defaults={"type": "STANDARD"}),
    row(
        POLICY,
        required=("accessScope", "clusterName", "policyArn", "principalArn"),
        delete_before_replace=True,
    ),
    row(
        POD_IDENTITY,
        required=("clusterName", "namespace", "roleArn", "serviceAccount"),
        delete_before_replace=True,
    ),
)
