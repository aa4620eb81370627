"""Who AWS Backup is in this account: a role that keys and buckets name, and so stands before them."""

import pulumi
from pulumi_aws import iam

from infra.blocks.service_trust import for_account, service_trust
from infra.blocks.workload_roles import role_arn
from infra.settings import names
from infra.settings.values import Settings


class BackupRole(pulumi.ComponentResource):
    """The role that AWS Backup takes; what it may do is said with the plans, in the module of backups."""

    arn: str
    name: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:BackupRole", name, None, opts)
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, "backup"),
            assume_role_policy=service_trust("backup", for_account(settings.account)),
            tags=names.tags(settings.environment, names.SHARED, phi=True),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role_arn(settings, names.SHARED, "backup")
        self.name = role.name
        self.register_outputs({"arn": self.arn})
