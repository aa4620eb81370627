"""How a leaving hospital's data goes home: a role for an hour, with a second factor, that reads and no more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from infra import names
from infra.bucket import Stored
from infra.identity import role_arn
from infra.key_policy import through_s3
from infra.settings import DataClass, Hospital, Settings
from infra.trust import HOUR, person_trust

EXPORT = "export"


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


@dataclass(frozen=True)
class ExportArgs:
    """What is read.

    Parameters
    ----------
    role
        Who reads.
    stored
        The hospital's buckets.
    region
        Where their keys are used.
    """

    role: ExportRole
    stored: Mapping[DataClass, Stored]
    region: str


def let_read(name: str, args: ExportArgs, opts: pulumi.ResourceOptions) -> iam.RolePolicy:
    """Let the role read every object of the hospital."""
    arns = [pulumi.Output.all(stored.arn, stored.key_arn) for stored in args.stored.values()]
    return iam.RolePolicy(
        name,
        name=EXPORT,
        role=args.role.role,
        policy=pulumi.Output.all(*arns).apply(lambda known: export_policy(known, args.region)),
        opts=opts,
    )


def export_policy(arns: list[list[str]], region: str) -> str:
    """Return a policy that reads buckets; ``arns`` are each one's own and its key's."""
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": [bucket for bucket, _ in arns]},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"{bucket}/*" for bucket, _ in arns]},
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": [key for _, key in arns],
            "Condition": through_s3(region),
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
