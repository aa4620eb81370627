"""How a leaving hospital's data goes home: a role for an hour, with a second factor, that reads and no more."""

import pulumi
from pulumi_aws import iam

from infra.blocks.service_trust import HOUR, person_trust
from infra.blocks.workload_roles import READ, Grant, role_arn
from infra.settings import names
from infra.settings.values import DataClass, Hospital, Settings

EXPORT = "export"
GRANTS = tuple(Grant(data, "", READ) for data in DataClass)


class ExportRole(pulumi.ComponentResource):
    """The role of who hands a hospital's data over; keys and buckets name it, so it stands before them."""

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
