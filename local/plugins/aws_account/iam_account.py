"""Rows of the aws plugin for the IAM account password policy and instance profiles."""

from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_PROFILE: Final = {"InstanceProfileName": "{id}"}

PASSWORDS: Final = ApiType(
    "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
    "iam",
    Call("UpdateAccountPasswordPolicy"),
    Call("GetAccountPasswordPolicy"),
    "PasswordPolicy",
    lambda _: "iam-account-password-policy",
    changes=(Call("UpdateAccountPasswordPolicy"),),
    deletes=(Call("DeleteAccountPasswordPolicy"),),
    outputs={"expirePasswords": "ExpirePasswords"},
    regional=False,
)

PROFILE: Final = ApiType(
    "aws:iam/instanceProfile:InstanceProfile",
    "iam",
    Call("CreateInstanceProfile", names={"name": "InstanceProfileName"}),
    Call("GetInstanceProfile", fixed=_PROFILE),
    "InstanceProfile",
    "{name}",
    changes=(Call("AddRoleToInstanceProfile", frozenset({"role"}), names={"role": "RoleName"}, fixed=_PROFILE),),
    deletes=(
        Call("RemoveRoleFromInstanceProfile", fixed={**_PROFILE, "RoleName": "{role}"}, needs=("role",)),
        Call("DeleteInstanceProfile", fixed=_PROFILE),
    ),
    reads={"role": "Roles[0].RoleName", "name": "InstanceProfileName"},
    outputs={"arn": "Arn", "createDate": "CreateDate", "uniqueId": "InstanceProfileId"},
    tags=Tags(
        Call("TagInstanceProfile", frozenset(), fixed=_PROFILE),
        Call("UntagInstanceProfile", frozenset(), fixed=_PROFILE),
    ),
    regional=False,
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(PASSWORDS, defaults={"allowUsersToChangePassword": True, "minimumPasswordLength": 6}),
    row(
        PROFILE,
        # A profile has one role: remove the old one before adding another.
        replace=frozenset({"role"}),
        defaults={"path": "/"},
        autoname="name",
        autoname_length=128,
        unsupported={"namePrefix": "give it a name"},
    ),
)
