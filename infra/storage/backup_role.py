"""IAM role of AWS Backup; declared before keys and buckets, whose policies name it."""

import pulumi
from pulumi_aws import iam

from infra.blocks.trust_policy import service_trust, source_account
from infra.blocks.workload_roles import role_arn
from infra.settings import Settings, names


class BackupRole(pulumi.ComponentResource):
    """IAM role that AWS Backup assumes; ``infra.storage.backup`` attaches its policies."""

    arn: str
    name: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:BackupRole", name, None, opts)
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, "backup"),
            assume_role_policy=service_trust("backup", source_account(settings.account)),
            tags=names.tags(settings.environment, names.SHARED, phi=True),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role_arn(settings, names.SHARED, "backup")
        self.name = role.name
        self.register_outputs({"arn": self.arn})
