"""Nodes: IMDSv2, remote access, the Kubernetes version, malware protection, and the node classes of Karpenter."""

import re

from policy_pack.controls.rules import context_check, join_check, resource_check, stack_check
from policy_pack.facts.zone_table import pool_table
from policy_pack.stack.checks import (
    Findings,
    StackContext,
    between,
    expect,
    is_empty,
    is_not_true,
    is_set,
    is_true,
    one_of,
    violation,
)
from policy_pack.stack.graph import Resource
from policy_pack.stack.kinds import EC2_INSTANCE, EKS, LAUNCH_TEMPLATE, NODE_GROUP, REPOSITORY
from policy_pack.stack.values import View

_NODE_CLASS = "k8s:karpenter.k8s.aws/EC2NodeClass"
_NODE_POOL = "k8s:karpenter.sh/NodePool"
_FEATURE = "aws:guardduty/detectorFeature:DetectorFeature"
_INSPECTOR = "aws:inspector2/enabler:Enabler"
_DURATION = re.compile(r"(?=\d)(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
_HOURS = {"h": 1.0, "m": 1 / 60, "s": 1 / 3600}
_PATCH_HOURS = 15 * 24
_MALWARE = ("EBS_MALWARE_PROTECTION", "RUNTIME_MONITORING", "EKS_RUNTIME_MONITORING")


@resource_check("CM-03", LAUNCH_TEMPLATE)
def nodes_require_imdsv2(template: Resource) -> Findings:
    """Require IMDSv2 with a hop limit of 1, no SSH key and no user data."""
    yield from _metadata_options(template.at("metadataOptions"), "httpPutResponseHopLimit")
    yield from expect(template.at("keyName"), is_empty, "has an SSH key")
    yield from expect(template.at("userData"), is_empty, "changes its nodes by user data")


def _metadata_options(options: View, hop_limit: str) -> Findings:
    yield from expect(options.at("httpTokens"), one_of("required"), "allows IMDSv1")
    yield from expect(
        options.at(hop_limit), between(1, 1), "has a hop limit over 1, so pods can use the credentials of the node"
    )


@resource_check("CM-03", _NODE_CLASS)
def node_classes_require_imdsv2(node_class: Resource) -> Findings:
    """Require the same of nodes that Karpenter launches."""
    yield from _metadata_options(node_class.at("spec.metadataOptions"), "httpPutResponseHopLimit")
    yield from expect(node_class.at("spec.userData"), is_empty, "changes its nodes by user data")


@resource_check("ENC-04", _NODE_CLASS)
def node_classes_encrypt_volumes(node_class: Resource) -> Findings:
    """Require that Karpenter encrypts every volume of a node with a customer-managed key."""
    mappings = node_class.at("spec.blockDeviceMappings")
    yield from expect(
        mappings,
        is_set,
        "has no block device mappings, so its volumes are not encrypted with a customer-managed KMS key",
    )
    for mapping in mappings.items():
        yield from expect(mapping.at("ebs.encrypted"), is_true, "is not encrypted")
        yield from expect(mapping.at("ebs.kmsKeyID"), is_set, "is not encrypted with a customer-managed KMS key")


@resource_check("SEG-07", _NODE_CLASS)
def node_classes_have_no_public_address(node_class: Resource) -> Findings:
    """Refuse public IP addresses of nodes that Karpenter launches; without the field the subnet decides."""
    yield from expect(node_class.at("spec.associatePublicIPAddress"), is_not_true, "associates a public IP address")


@join_check("CM-03", _NODE_POOL)
def node_pools_have_a_declared_class(pool: Resource, context: StackContext) -> Findings:
    """Require a node class of this stack, as only that is evaluated."""
    reference = pool.at("spec.template.spec.nodeClassRef.name")
    name = reference.text()
    declared = {node_class.at("metadata.name").text() for node_class in context.graph.of(_NODE_CLASS)}
    if name not in declared:
        yield violation(f"has the node class {name or 'none'}, which this stack does not declare", reference.path)


@resource_check("CM-03", NODE_GROUP)
def nodes_have_no_remote_access(group: Resource) -> Findings:
    """Refuse remote access, and require a launch template, which alone can require IMDSv2."""
    yield from expect(group.at("remoteAccess"), is_empty, "allows remote access by SSH")
    template = group.at("launchTemplate")
    named = template.at("name") if template.at("id").absent else template.at("id")
    yield from expect(named, is_set, "has no launch template that requires IMDSv2")


@context_check("CM-03", NODE_GROUP)
def nodes_keep_other_pods_away(group: Resource, context: StackContext) -> Findings:
    """Require the label of a node class of the pools, and its taint: without it any pod is put beside PHI."""
    yield from _apart(group.at("labels"), group.at("taints"), "NO_SCHEDULE", context)


@context_check("CM-03", _NODE_POOL)
def node_pools_keep_other_pods_away(pool: Resource, context: StackContext) -> Findings:
    """Require the same of nodes that Karpenter launches."""
    template = pool.at("spec.template")
    yield from _apart(template.at("metadata.labels"), template.at("spec.taints"), "NoSchedule", context)


def _apart(labels: View, taints: View, effect: str, context: StackContext) -> Findings:
    key, classes = f"{context.settings.prefix}/node-class", pool_table().node_classes
    label = labels.key(key)
    name = label.text()
    if name not in classes:
        message = f"has the node class {name or 'none'} (label {key}), which pools.yaml does not have"
        yield violation(message, label.path)
        return
    found = {tuple(taint.at(field).text() for field in ("key", "value", "effect")) for taint in taints.items()}
    if classes[name] and (key, name, effect) not in found:
        message = f"has no taint {key}={name} ({effect}), so pods of other zones are put on its nodes"
        yield violation(message, taints.path)
    if found - {(key, name, effect)}:
        yield violation("has a taint that no pod of the tables tolerates, so none is put on its nodes", taints.path)


@resource_check("CM-03", EKS)
def nodes_are_of_the_vpc(cluster: Resource) -> Findings:
    """Refuse nodes outside of AWS, and addresses that the rules of the stack's networks do not name."""
    yield from expect(
        cluster.at("remoteNetworkConfig"), is_empty, "takes nodes of other networks (remoteNetworkConfig)"
    )
    family = cluster.at("kubernetesNetworkConfig.ipFamily")
    yield from expect(family, lambda value: value in (None, "ipv4"), "gives pods IPv6 addresses, which no rule names")


@context_check("CM-03", EKS)
def cluster_version_is_supported(cluster: Resource, context: StackContext) -> Findings:
    """Require a Kubernetes version in standard support."""
    versions = context.settings.services.eks_versions
    yield from expect(cluster.at("version"), one_of(*versions), "its Kubernetes version is not in standard support")


@stack_check("VM-04")
def machines_and_images_are_scanned(context: StackContext) -> Findings:
    """Require Amazon Inspector for instances and images, in each region that has them."""
    scanned = {
        (context.region(enabler), item.text())
        for enabler in context.graph.of(_INSPECTOR)
        for item in enabler.at("resourceTypes").items()
    }
    for name, kinds in (("EC2", (NODE_GROUP, EC2_INSTANCE)), ("ECR", (REPOSITORY,))):
        for region in sorted({context.region(resource) for resource in context.graph.of(*kinds)}):
            if (region, name) not in scanned:
                yield violation(f"does not scan {name} with Amazon Inspector" + (f" in {region}" if region else ""))


@resource_check("VM-04", _NODE_POOL)
def nodes_are_replaced_in_time(pool: Resource) -> Findings:
    """Require that Karpenter replaces nodes within 15 days, with the image that its node class then names."""
    age = pool.at("spec.template.spec.expireAfter")
    yield from expect(age, _at_most_15_days, "does not replace its nodes within 15 days (expireAfter of 360h or less)")


def _at_most_15_days(duration: object) -> bool:
    parts = _DURATION.fullmatch(str(duration))
    return parts is not None and sum(int(parts[unit] or 0) * hours for unit, hours in _HOURS.items()) <= _PATCH_HOURS


@stack_check("CM-04")
def nodes_have_malware_protection(context: StackContext) -> Findings:
    """Require malware protection or runtime monitoring by GuardDuty in each region with nodes."""
    features = context.graph.of(_FEATURE)
    protected = {
        context.region(feature)
        for feature in features
        if feature.at("name").text() in _MALWARE and feature.at("status").text() == "ENABLED"
    }
    for region in sorted({context.region(nodes) for nodes in context.graph.of(EKS, NODE_GROUP)} - protected):
        where = f" in {region}" if region else ""
        yield violation(f"has neither malware protection nor runtime monitoring of its nodes{where}")
