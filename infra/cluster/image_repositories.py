"""ECR repositories of the account, one an image: immutable tags, KMS encryption, continuous scanning."""

import json
from dataclasses import dataclass

import pulumi
from pulumi_aws import ecr

from infra.blocks.iam_policy import Statement, policy_document
from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.settings import Images, Settings, names

UNTAGGED_DAYS = 14
_PULL_ACTIONS = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def repository(settings: Settings, image: str) -> str:
    """Return the name of the ECR repository of an image from the image lock file."""
    return f"{names.stem(settings.environment)}/{image.partition('@')[0].rpartition('/')[2]}"


def images(settings: Settings) -> Images:
    """Return the images by digest in the account's registry, whose host name follows from account and region."""
    host = f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com"
    return Images(
        **{name: f"{host}/{repository(settings, image)}@{image.partition('@')[2]}" for name, image in settings.images}
    )


@dataclass(frozen=True)
class ImageRepositoriesArgs:
    """Arguments of the repositories.

    Parameters
    ----------
    settings
        The stack's settings, with the images.
    node_role_arn
        The IAM role of nodes, which pull images.
    """

    settings: Settings
    node_role_arn: pulumi.Input[str]


class ImageRepositories(pulumi.ComponentResource):
    """ECR repositories with lifecycle and repository policies, and the registry's scanning configuration."""

    def __init__(self, name: str, args: ImageRepositoriesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Registry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        key = PlatformKey(f"{name}-images", PlatformKeyArgs(settings, "images", via=("ecr",), phi=False), child)
        ecr.RegistryScanningConfiguration(
            name,
            scan_type="ENHANCED",
            rules=[
                ecr.RegistryScanningConfigurationRuleArgs(
                    scan_frequency="CONTINUOUS_SCAN",
                    repository_filters=[
                        ecr.RegistryScanningConfigurationRuleRepositoryFilterArgs(filter="*", filter_type="WILDCARD")
                    ],
                )
            ],
            opts=child,
        )
        repository_policy = pulumi.Output.from_input(args.node_role_arn).apply(
            lambda role: _repository_policy(settings.account, role)
        )
        for image in dict(settings.images).values():
            repository_name = repository(settings, image)
            image_name = repository_name.rpartition("/")[2]
            resource = ecr.Repository(
                image_name,
                name=repository_name,
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                encryption_configurations=[
                    ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key.arn)
                ],
                tags=names.tags(settings.environment, phi=False),
                opts=pulumi.ResourceOptions(parent=self, protect=settings.tier.protect_data),
            )
            ecr.LifecyclePolicy(image_name, repository=resource.name, policy=_lifecycle_policy(), opts=child)
            ecr.RepositoryPolicy(image_name, repository=resource.name, policy=repository_policy, opts=child)
        self.register_outputs({})


def _lifecycle_policy() -> str:
    rule = {
        "rulePriority": 1,
        "description": "What no tag names is what a failed push left",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


def _repository_policy(account: str, node_role: str) -> str:
    """Return a repository policy: nodes pull, and principals of other accounts are denied."""
    allow: Statement = {"Sid": "Nodes", "Effect": "Allow", "Principal": {"AWS": node_role}, "Action": _PULL_ACTIONS}
    deny: Statement = {
        "Sid": "Strangers",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:*",
        "Condition": {
            "StringNotEquals": {"aws:PrincipalAccount": account},
            "Bool": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    return policy_document(allow, deny)
