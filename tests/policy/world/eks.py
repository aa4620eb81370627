"""EKS in the compliant stack: the cluster, its nodes and who may enter, and other machines."""

from policy_pack.stack.graph import Resource
from tests.policy.builders import build, tags
from tests.policy.world.aws import PLATFORM_KEY, key, role_arn

_LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


def cluster() -> list[Resource]:
    """Return the cluster and its nodes."""
    ebs = {"encrypted": True, "kmsKeyId": PLATFORM_KEY}
    return [
        key("platform"),
        build(
            "aws:eks/cluster:Cluster",
            "eks",
            {
                "name": "eks",
                "version": "1.34",
                "deletionProtection": True,
                "vpcConfig": {"endpointPublicAccess": False, "securityGroupIds": ["sg-endpoints"]},
                "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": PLATFORM_KEY}},
                "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
                "enabledClusterLogTypes": _LOGS,
                "tags": tags(),
            },
            protect=True,
        ),
        build(
            "aws:ec2/launchTemplate:LaunchTemplate",
            "nodes",
            {
                "id": "lt-1",
                "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": ebs}],
                "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
                "networkInterfaces": [{"associatePublicIpAddress": "false", "securityGroups": ["sg-endpoints"]}],
            },
        ),
        build(
            "aws:eks/nodeGroup:NodeGroup",
            "nodes",
            {
                "launchTemplate": {"id": "lt-1", "version": "1"},
                "labels": {"healthcare-mlops/node-class": "serving"},
                "taints": [{"key": "healthcare-mlops/node-class", "value": "serving", "effect": "NO_SCHEDULE"}],
                "tags": tags(),
            },
        ),
        *_node_pools(),
        build("aws:eks/addon:Addon", "vpc-cni", {"addonVersion": "v1.20.1-eksbuild.1"}),
        build(
            "aws:eks/accessEntry:AccessEntry",
            "readers",
            {"principalArn": role_arn("reader"), "kubernetesGroups": ["readers"]},
        ),
        build(
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            "break-glass",
            {
                "principalArn": role_arn("break-glass"),
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                "accessScope": {"type": "cluster"},
            },
        ),
        build("aws:ebs/volume:Volume", "scratch", ebs | {"tags": tags("shared", "models", backup="daily")}),
        build(
            "aws:ec2/instance:Instance",
            "bastion",
            {
                "associatePublicIpAddress": False,
                "rootBlockDevice": dict(ebs),
                "ebsBlockDevices": [dict(ebs)],
                "iamInstanceProfile": "bastion",
                "tags": tags("shared", "models", backup="daily"),
            },
        ),
        build("aws:iam/instanceProfile:InstanceProfile", "bastion", {"name": "bastion", "role": "bastion"}),
        build(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "bastion",
            {"role": "bastion", "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
        ),
        build(
            "aws:autoscaling/group:Group",
            "relay",
            {"targetGroupArns": ["arn:target"], "healthCheckType": "ELB", "tags": []},
        ),
        build("aws:ebs/encryptionByDefault:EncryptionByDefault", "volumes", {"enabled": True}),
        build("aws:ebs/defaultKmsKey:DefaultKmsKey", "volumes", {"keyArn": PLATFORM_KEY}),
        build(
            "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration", "registry", {"scanType": "ENHANCED"}
        ),
        build("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "all", {"state": "block-all-sharing"}),
        build(
            "aws:ssm/document:Document",
            "sessions",
            {"documentType": "Session", "permissions": {"type": "Share", "account_ids": "123456789012"}},
        ),
    ]


def _node_pools() -> list[Resource]:
    """Return a node pool of Karpenter with its node class."""
    volume = {"encrypted": True, "kmsKeyID": PLATFORM_KEY}
    node_class = {
        "amiSelectorTerms": [{"alias": "al2023@v20261112"}],
        "instanceProfile": "bastion",
        "subnetSelectorTerms": [{"id": "subnet-private"}],
        "securityGroupSelectorTerms": [{"id": "sg-endpoints"}],
        "associatePublicIPAddress": False,
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": volume}],
    }
    label = "healthcare-mlops/node-class"
    template = {
        "metadata": {"labels": {label: "phi"}},
        "spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "phi"},
            "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}],
            "taints": [{"key": label, "value": "phi", "effect": "NoSchedule"}],
            "expireAfter": "336h",
            "terminationGracePeriod": "24h",
        },
    }
    pool = {"template": template, "disruption": {"budgets": [{"nodes": "1"}]}}
    return [
        build("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "phi", {"metadata": {"name": "phi"}, "spec": node_class}),
        build("kubernetes:karpenter.sh/v1:NodePool", "phi", {"metadata": {"name": "phi"}, "spec": pool}),
    ]
