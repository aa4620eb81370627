"""Image repositories of the account: one for each image, whose tags do not move and whose content is scanned."""

import json
from dataclasses import asdict, dataclass

import pulumi
from pulumi_aws import ecr

from infra.blocks.kms_key import PlatformKey, PlatformKeyArgs
from infra.settings import names
from infra.settings.values import Images, Settings

UNTAGGED_DAYS = 14
_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def repository(settings: Settings, image: str) -> str:
    """Return the name of the repository that keeps an image of the lock file."""
    return f"{names.stem(settings.environment)}/{image.partition('@')[0].rpartition('/')[2]}"


def images(settings: Settings) -> Images:
    """Return each image as nodes fetch it: by the account's repository and the digest of the lock file.

    The address of a registry follows from account and region, so it is known before the repository is made.
    """
    host = f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com"
    return Images(
        **{
            name: f"{host}/{repository(settings, image)}@{image.partition('@')[2]}"
            for name, image in asdict(settings.images).items()
        }
    )


@dataclass(frozen=True)
class RegistryArgs:
    """Which images, and who fetches them.

    Parameters
    ----------
    settings
        The environment, which names the images.
    node_role_arn
        The role of the nodes.
    """

    settings: Settings
    node_role_arn: pulumi.Input[str]


class Registry(pulumi.ComponentResource):
    """The repositories, and what is scanned."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:Registry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        key = PlatformKey(f"{name}-images", PlatformKeyArgs(settings, "images", through=("ecr",), phi=False), child)
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
        rights = pulumi.Output.from_input(args.node_role_arn).apply(
            lambda role: _repository_policy(settings.account, role)
        )
        for image in asdict(settings.images).values():
            called = repository(settings, image)
            made = ecr.Repository(
                called.rpartition("/")[2],
                name=called,
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                encryption_configurations=[
                    ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key.arn)
                ],
                tags=names.tags(settings.environment, phi=False),
                opts=pulumi.ResourceOptions(parent=self, protect=settings.tier.protect_data),
            )
            own = called.rpartition("/")[2]
            ecr.LifecyclePolicy(own, repository=made.name, policy=_lifecycle(), opts=child)
            ecr.RepositoryPolicy(own, repository=made.name, policy=rights, opts=child)
        self.register_outputs({})


def _lifecycle() -> str:
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
    """Return a policy by which nodes fetch images, and no other account does anything."""
    fetch = {"Sid": "Nodes", "Effect": "Allow", "Principal": {"AWS": node_role}, "Action": _PULL}
    refuse = {
        "Sid": "Strangers",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:*",
        "Condition": {
            "StringNotEquals": {"aws:PrincipalAccount": account},
            "Bool": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [fetch, refuse]})
