"""What adds nodes when pods wait: Karpenter, the cluster autoscaler, or nothing.

Karpenter is the choice for production: it starts the machine that fits the pods that wait, in under a minute and in
any zone, packs nodes together again, and drains a node before AWS takes it (it hears so from the queue). It starts
machines itself, though, and so needs leave to, which its policy bounds to machines that bear the cluster's tags and the
nodes' role. The cluster autoscaler only moves the size of the declared groups; it needs no such leave, and is the
choice where machines may come from declared groups alone. With neither, the groups keep their least size.

Here is what AWS must know of it. The chart that runs it is a chart of the platform like others.
"""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, eks, iam, sqs

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.blocks.pod_identity_role import PodRole, PodRoleArgs
from infra.settings import names
from infra.settings.values import Autoscaler, Settings

NAMESPACE = "kube-system"
_EVENTS = {
    "health": ("aws.health", "AWS Health Event"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
}
_MADE = ("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume")
_USED = ("capacity-reservation", "image", "security-group", "snapshot", "subnet")
_POOL = "karpenter.sh/nodepool"


@dataclass(frozen=True)
class NodeScalingArgs:
    """Which cluster's nodes.

    Parameters
    ----------
    settings
        The environment, which chooses.
    cluster_name, cluster_arn
        The cluster.
    node_role_arn, node_role_name
        The role of the nodes, which new ones get.
    """

    settings: Settings
    cluster_name: pulumi.Input[str]
    cluster_arn: pulumi.Input[str]
    node_role_arn: pulumi.Input[str]
    node_role_name: pulumi.Input[str]


class NodeScaling(pulumi.ComponentResource):
    """The autoscaler's role and, for Karpenter, the queue of coming interruptions and the profile of new nodes.

    The ServiceAccount is called as the option is.
    """

    def __init__(self, name: str, args: NodeScalingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:NodeScaling", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._called = names.stem(args.settings.environment)
        self._tags = names.tags(args.settings.environment, phi=False)
        match args.settings.options.autoscaler:
            case Autoscaler.KARPENTER:
                queue = self._interruptions()
                # Named here because IAM cannot be asked for one from inside the VPC.
                iam.InstanceProfile(
                    "karpenter-node",
                    name=f"{self._called}-node",
                    role=args.node_role_name,
                    tags=self._tags,
                    opts=self._child,
                )
                known = pulumi.Output.all(args.cluster_arn, args.node_role_arn, queue.arn)
                self._role(known.apply(lambda arns: karpenter_policy(args.settings, *arns)))
            case Autoscaler.CLUSTER_AUTOSCALER:
                self._role(groups_policy(self._called))
            case Autoscaler.NONE:
                pass
        self.register_outputs({})

    def _role(self, rights: pulumi.Input[str]) -> None:
        settings, purpose = self._args.settings, str(self._args.settings.options.autoscaler)
        role = PodRole(purpose, PodRoleArgs(settings, purpose, self._args.cluster_arn, rights=rights), self._child)
        eks.PodIdentityAssociation(
            purpose,
            cluster_name=self._args.cluster_name,
            namespace=NAMESPACE,
            service_account=purpose,
            role_arn=role.arn,
            tags=self._tags,
            opts=self._child,
        )

    def _interruptions(self) -> sqs.Queue:
        key = PlatformKey(
            "interruptions",
            PlatformKeyArgs(
                self._args.settings, "interruptions", services=("events.amazonaws.com",), through=("sqs",), phi=False
            ),
            self._child,
        )
        queue = sqs.Queue(
            "interruptions",
            name=f"{self._called}-interruptions",
            message_retention_seconds=300,
            kms_master_key_id=key.arn,
            tags=self._tags,
            opts=self._child,
        )
        sqs.QueuePolicy("interruptions", queue_url=queue.url, policy=queue.arn.apply(_queue_policy), opts=self._child)
        for event, (source, kind) in _EVENTS.items():
            rule = cloudwatch.EventRule(
                f"interruptions-{event}",
                name=f"{self._called}-interruptions-{event}",
                event_pattern=json.dumps({"source": [source], "detail-type": [kind]}),
                tags=self._tags,
                opts=self._child,
            )
            cloudwatch.EventTarget(f"interruptions-{event}", rule=rule.name, arn=queue.arn, opts=self._child)
        return queue


def _queue_policy(arn: str) -> str:
    write: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    plain: dict[str, object] = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return _document(write, plain)


def karpenter_policy(settings: Settings, cluster_arn: str, node_role_arn: str, queue_arn: str) -> str:
    """Return what Karpenter may do: start, tag and stop machines that bear the cluster's tags, in the nodes' role."""
    own = f"kubernetes.io/cluster/{names.stem(settings.environment)}"
    here = f"arn:aws:ec2:{settings.region}:{settings.account}"
    made = [f"{here}:{kind}/*" for kind in _MADE]
    # Machine images and their snapshots are Amazon's.
    used = [f"arn:aws:ec2:{settings.region}:*:{kind}/*" for kind in _USED]
    asked = {"StringEquals": {f"aws:RequestTag/{own}": "owned"}, "StringLike": {f"aws:RequestTag/{_POOL}": "*"}}
    borne = {"StringEquals": {f"aws:ResourceTag/{own}": "owned"}, "StringLike": {f"aws:ResourceTag/{_POOL}": "*"}}
    creating = {"StringEquals": {"ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]}}
    starts = ["ec2:RunInstances", "ec2:CreateFleet"]
    return _document(
        _allow(starts, used),
        _allow(starts, [f"{here}:launch-template/*"], borne),
        _allow([*starts, "ec2:CreateLaunchTemplate"], made, asked),
        _allow(["ec2:CreateTags"], made, {"StringEquals": asked["StringEquals"] | creating["StringEquals"]}),
        _allow(["ec2:CreateTags"], [f"{here}:instance/*"], borne),
        _allow(["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"], made, borne),
        _allow(_READ, ["*"], {"StringEquals": {"aws:RequestedRegion": settings.region}}),
        _allow(["ssm:GetParameter"], [f"arn:aws:ssm:{settings.region}::parameter/aws/service/*"]),
        _allow(["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], [queue_arn]),
        _allow(["iam:PassRole"], [node_role_arn], {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        _allow(["eks:DescribeCluster"], [cluster_arn]),
    )


_READ = [
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
]


def groups_policy(cluster: str) -> str:
    """Return what the cluster autoscaler may do: look at groups and their machines, and size the cluster's own."""
    look = [
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
    size = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    own = {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}}
    return _document(_allow(look, ["*"]), _allow(size, ["*"], own))


def _allow(actions: list[str], resources: list[str], condition: object = None) -> dict[str, object]:
    statement: dict[str, object] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def _document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
