"""Examples of clusters, of what their nodes start from, of image repositories and of an account's rules."""

import json

from tests.support.aws.aws_rows_world import Example

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "eks.amazonaws.com"}}],
    }
)
_OWNER = {"tags": {"owner": "platform"}}


def _policy(action: str) -> str:
    statement = {"Sid": "pull", "Effect": "Allow", "Principal": "*", "Action": action}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _lifecycle(days: int) -> str:
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    return json.dumps({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})


EXAMPLES = {
    "role": Example("aws:iam/role:Role", {"name": "cluster", "assumeRolePolicy": _TRUST}),
    "key": Example("aws:kms/key:Key", {"description": "cluster"}),
    "flow_bucket": Example("aws:s3/bucket:Bucket", {"bucket": "flow-logs"}),
    "cluster": Example(
        "aws:eks/cluster:Cluster",
        {
            "name": "prod",
            "roleArn": "{role.arn}",
            "version": "1.33",
            "vpcConfig": {
                "subnetIds": ["{subnet.id}", "{other_subnet.id}"],
                "endpointPrivateAccess": True,
                "endpointPublicAccess": False,
            },
            "enabledClusterLogTypes": ["audit", "api"],
            "encryptionConfig": {"provider": {"keyArn": "{key.arn}"}, "resources": ["secrets"]},
            "accessConfig": {
                "authenticationMode": "API",
                "bootstrapClusterCreatorAdminPermissions": False,
            },
            "bootstrapSelfManagedAddons": False,
            "tags": {"phi": "true"},
        },
        {"tags": {"phi": "false"}},
    ),
    "template": Example(
        "aws:ec2/launchTemplate:LaunchTemplate",
        {
            "name": "restricted",
            "updateDefaultVersion": True,
            "networkInterfaces": [
                {
                    "associatePublicIpAddress": "false",
                    "deleteOnTermination": "true",
                    "securityGroups": ["{group.id}"],
                }
            ],
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {"encrypted": "true", "kmsKeyId": "{key.arn}", "volumeSize": 50, "volumeType": "gp3"},
                }
            ],
            "tagSpecifications": [{"resourceType": "instance", "tags": {"phi": "true"}}],
        },
        {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2, "httpEndpoint": "enabled"}},
    ),
    "nodes": Example(
        "aws:eks/nodeGroup:NodeGroup",
        {
            "clusterName": "{cluster.name}",
            "nodeGroupName": "restricted",
            "nodeRoleArn": "{role.arn}",
            "subnetIds": ["{subnet.id}"],
            "scalingConfig": {"desiredSize": 1, "maxSize": 2, "minSize": 1},
            "instanceTypes": ["m7i.large"],
            "labels": {"class": "restricted"},
            "taints": [{"key": "phi", "value": "true", "effect": "NO_SCHEDULE"}],
            "launchTemplate": {"id": "{template.id}", "version": "1"},
        },
        {"scalingConfig": {"desiredSize": 2, "maxSize": 3, "minSize": 1}, "labels": {"class": "phi"}},
    ),
    "addon": Example(
        "aws:eks/addon:Addon",
        {
            "clusterName": "{cluster.name}",
            "addonName": "vpc-cni",
            "addonVersion": "v1.19.2-eksbuild.1",
            "configurationValues": '{"enableNetworkPolicy": "true"}',
            "resolveConflictsOnCreate": "OVERWRITE",
            "resolveConflictsOnUpdate": "OVERWRITE",
        },
        {"addonVersion": "v1.19.3-eksbuild.1"},
        not_emulated=True,
    ),
    "entry": Example(
        "aws:eks/accessEntry:AccessEntry",
        {"clusterName": "{cluster.name}", "principalArn": "{role.arn}", "tags": {"owner": "platform"}},
        {"kubernetesGroups": ["platform"]},
    ),
    "access": Example(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        {
            "clusterName": "{cluster.name}",
            "principalArn": "{role.arn}",
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
            "accessScope": {"type": "namespace", "namespaces": ["north"]},
        },
        {"accessScope": {"type": "cluster"}},
        not_emulated=True,
        replaced=True,
    ),
    "pod_identity": Example(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        {
            "clusterName": "{cluster.name}",
            "namespace": "north",
            "serviceAccount": "trainer",
            "roleArn": "{role.arn}",
        },
        {"disableSessionTags": True},
        not_emulated=True,
    ),
    "repository": Example(
        "aws:ecr/repository:Repository",
        {
            "name": "model",
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": "{key.arn}"}],
            "forceDelete": True,
        },
        {"imageScanningConfiguration": {"scanOnPush": False}, **_OWNER},
    ),
    "lifecycle": Example(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        {"repository": "{repository.name}", "policy": _lifecycle(7)},
        {"policy": _lifecycle(14)},
    ),
    "permissions": Example(
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        {"repository": "{repository.name}", "policy": _policy("ecr:BatchGetImage")},
        {"policy": _policy("ecr:GetDownloadUrlForLayer")},
    ),
    "scanning": Example(
        "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
        {
            "scanType": "BASIC",
            "rules": [
                {
                    "scanFrequency": "SCAN_ON_PUSH",
                    "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
                }
            ],
        },
        {"scanType": "ENHANCED"},
        stays=True,
    ),
    "passwords": Example(
        "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
        {"minimumPasswordLength": 14, "requireSymbols": True, "maxPasswordAge": 90},
        {"minimumPasswordLength": 16},
    ),
    "profile": Example("aws:iam/instanceProfile:InstanceProfile", {"name": "nodes", "role": "{role.name}"}, _OWNER),
    "volumes": Example(
        "aws:ebs/encryptionByDefault:EncryptionByDefault", {"enabled": True}, {"enabled": False}, stays=True
    ),
    "volume_key": Example("aws:ebs/defaultKmsKey:DefaultKmsKey", {"keyArn": "{key.arn}"}, not_emulated=True),
}
