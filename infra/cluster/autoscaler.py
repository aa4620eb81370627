"""AWS resources of the node autoscaler: Karpenter, the Kubernetes Cluster Autoscaler, or none.

Karpenter is recommended for production: it launches instances that fit pending pods, consolidates nodes, and drains
nodes before interruptions, which it reads from the queue. Its policy permits launching instances with the cluster's
tags and the node role only. The Cluster Autoscaler changes the size of the declared node groups and needs no
permission to launch instances. With neither, node groups stay at their minimum size.

The Helm chart of the autoscaler is one of the platform's charts (``workloads/platform/charts.yaml``); Karpenter's
NodePools are in ``infra.cluster.node_pools``.
"""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, eks, iam, sqs

from infra.blocks.iam_policy import Statement, policy_document
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.pod_identity_role import PodRole, PodRoleArgs
from infra.settings import Autoscaler, Settings, names

NAMESPACE = "kube-system"
_EVENTS = {
    "health": ("aws.health", "AWS Health Event"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
}
_CREATED_TYPES = ("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume")
_REFERENCED_TYPES = ("capacity-reservation", "image", "security-group", "snapshot", "subnet")
_NODE_POOL_TAG = "karpenter.sh/nodepool"


@dataclass(frozen=True)
class NodeScalingArgs:
    """Arguments of the autoscaler.

    Parameters
    ----------
    settings
        The stack's settings, with the option ``autoscaler``.
    cluster_name, cluster_arn
        The cluster.
    node_role_arn, node_role_name
        The IAM role of nodes.
    """

    settings: Settings
    cluster_name: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    node_role_arn: pulumi.Input[str]
    node_role_name: pulumi.Input[str]


class NodeScaling(pulumi.ComponentResource):
    """The autoscaler's role and, for Karpenter, the interruption queue and the instance profile of nodes.

    The ServiceAccount has the name of the option ``autoscaler``. ``instance_profile`` is the name of the
    latter, None without Karpenter.
    """

    instance_profile: pulumi.Output[str] | None = None

    def __init__(self, name: str, args: NodeScalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:NodeScaling", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._stem = names.stem(args.settings.environment)
        self._tags = names.tags(args.settings.environment, phi=False)
        match args.settings.options.autoscaler:
            case Autoscaler.KARPENTER:
                queue = self._interruption_queue()
                # Declared here because Karpenter cannot create one: the VPC has no endpoint for IAM.
                profile = iam.InstanceProfile(
                    "karpenter-node",
                    name=f"{self._stem}-node",
                    role=args.node_role_name,
                    tags=self._tags,
                    opts=self._child,
                )
                self.instance_profile = profile.name
                arns = pulumi.Output.all(args.cluster_arn, args.node_role_arn, queue.arn)
                self._role(arns.apply(lambda resolved: karpenter_policy(args.settings, *resolved)))
            case Autoscaler.CLUSTER_AUTOSCALER:
                self._role(cluster_autoscaler_policy(self._stem))
            case Autoscaler.NONE:
                pass
        self.register_outputs({})

    def _role(self, policy: pulumi.Input[str]) -> None:
        settings, purpose = self._args.settings, str(self._args.settings.options.autoscaler)
        role = PodRole(
            purpose, PodRoleArgs(settings, purpose, self._args.cluster_arn, inline_policy=policy), self._child
        )
        eks.PodIdentityAssociation(
            purpose,
            cluster_name=self._args.cluster_name,
            namespace=NAMESPACE,
            service_account=purpose,
            role_arn=role.arn,
            tags=self._tags,
            opts=self._child,
        )

    def _interruption_queue(self) -> sqs.Queue:
        key = PlatformKey(
            "interruptions",
            PlatformKeyArgs(
                self._args.settings, "interruptions", services=("events.amazonaws.com",), via=("sqs",), phi=False
            ),
            self._child,
        )
        queue = sqs.Queue(
            "interruptions",
            name=f"{self._stem}-interruptions",
            message_retention_seconds=300,
            kms_master_key_id=key.arn,
            tags=self._tags,
            opts=self._child,
        )
        sqs.QueuePolicy("interruptions", queue_url=queue.url, policy=queue.arn.apply(_queue_policy), opts=self._child)
        for event, (source, detail_type) in _EVENTS.items():
            rule = cloudwatch.EventRule(
                f"interruptions-{event}",
                name=f"{self._stem}-interruptions-{event}",
                event_pattern=json.dumps({"source": [source], "detail-type": [detail_type]}),
                tags=self._tags,
                opts=self._child,
            )
            cloudwatch.EventTarget(f"interruptions-{event}", rule=rule.name, arn=queue.arn, opts=self._child)
        return queue


def _queue_policy(arn: str) -> str:
    send: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:events:*:{arn.split(':')[4]}:rule/*"}},
    }
    deny_plaintext: Statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return policy_document(send, deny_plaintext)


def karpenter_policy(settings: Settings, cluster_arn: str, node_role_arn: str, queue_arn: str) -> str:
    """Return Karpenter's policy: launch, tag and terminate instances that have the cluster's tags and the node role."""
    cluster_tag = f"kubernetes.io/cluster/{names.stem(settings.environment)}"
    prefix = f"arn:aws:ec2:{settings.region}:{settings.account}"
    created = [f"{prefix}:{kind}/*" for kind in _CREATED_TYPES]
    # AMIs and their snapshots belong to Amazon's accounts.
    referenced = [f"arn:aws:ec2:{settings.region}:*:{kind}/*" for kind in _REFERENCED_TYPES]
    request_tags = _tag_condition("aws:RequestTag", cluster_tag)
    resource_tags = _tag_condition("aws:ResourceTag", cluster_tag)
    create_action = {"ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]}
    launch = ["ec2:RunInstances", "ec2:CreateFleet"]
    return policy_document(
        _allow(launch, referenced),
        _allow(launch, [f"{prefix}:launch-template/*"], resource_tags),
        _allow([*launch, "ec2:CreateLaunchTemplate"], created, request_tags),
        _allow(["ec2:CreateTags"], created, {"StringEquals": request_tags["StringEquals"] | create_action}),
        _allow(["ec2:CreateTags"], [f"{prefix}:instance/*"], resource_tags),
        _allow(["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"], created, resource_tags),
        _allow(_DESCRIBE, ["*"], {"StringEquals": {"aws:RequestedRegion": settings.region}}),
        _allow(["ssm:GetParameter"], [f"arn:aws:ssm:{settings.region}::parameter/aws/service/*"]),
        _allow(["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], [queue_arn]),
        _allow(["iam:PassRole"], [node_role_arn], {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        _allow(["eks:DescribeCluster"], [cluster_arn]),
    )


def _tag_condition(key: str, cluster_tag: str) -> dict[str, dict[str, object]]:
    return {"StringEquals": {f"{key}/{cluster_tag}": "owned"}, "StringLike": {f"{key}/{_NODE_POOL_TAG}": "*"}}


_DESCRIBE = [
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
]


def cluster_autoscaler_policy(cluster: str) -> str:
    """Return the Cluster Autoscaler's policy: describe Auto Scaling groups, and resize those of the cluster."""
    describe = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLaunchConfigurations",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
        "eks:DescribeNodegroup",
    ]
    resize = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resource_tag = {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}}
    return policy_document(_allow(describe, ["*"]), _allow(resize, ["*"], resource_tag))


def _allow(actions: list[str], resources: list[str], condition: object = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement
