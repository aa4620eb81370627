"""Who AWS Backup is in this account: a role that keys and buckets name, and so stands before them."""

import json

import pulumi
from pulumi_aws import iam

from infra import names
from infra.identity import role_arn
from infra.settings import Settings


class BackupRole(pulumi.ComponentResource):
    """The role that AWS Backup takes; what it may do is said with the plans, in the module of backups."""

    arn: str
    name: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("healthcare-mlops:infra:BackupRole", name, None, opts)
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "backup.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": settings.account}},
        }
        role = iam.Role(
            name,
            name=names.role(settings.environment, names.SHARED, "backup"),
            assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            tags=names.tags(settings.environment, names.SHARED, phi=True),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role_arn(settings, names.SHARED, "backup")
        self.name = role.name
        self.register_outputs({"arn": self.arn})
