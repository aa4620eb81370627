"""Data-export role of a leaving hospital: reads all of its buckets, MFA required, sessions of one hour."""

import pulumi
from pulumi_aws import iam

from infra.blocks.bucket_grants import Access, BucketGrant
from infra.blocks.trust_policy import HOUR, person_trust
from infra.blocks.workload_roles import role_arn
from infra.settings import DataClass, Hospital, Settings, names

EXPORT = "export"
GRANTS = tuple(BucketGrant(data, "", Access.READ) for data in DataClass)


class DataExportRole(pulumi.ComponentResource):
    """IAM role of the person who exports a hospital's data; declared before keys and buckets, which name it."""

    arn: str
    role: pulumi.Output[str]

    def __init__(
        self, name: str, settings: Settings, hospital: Hospital, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("healthcare-mlops:infra:ExportRole", name, None, opts)
        role = iam.Role(
            name,
            name=names.role(settings.environment, hospital.name, EXPORT),
            description=f"Hands the data of hospital {hospital.name} over, as it leaves",
            assume_role_policy=person_trust(settings.account),
            max_session_duration=HOUR,
            tags=names.tags(settings.environment, hospital.name, phi=True),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = role_arn(settings, hospital.name, EXPORT)
        self.role = role.name
        self.register_outputs({"arn": self.arn})
