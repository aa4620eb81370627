"""Rows of the aws plugin for ECR repositories."""

from typing import Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.rows import Row

_THIS: Final = {"repositoryName": "{id}"}
_ARN: Final = {"resourceArn": "{arn}"}

REPOSITORY: Final = ApiType(
    "aws:ecr/repository:Repository",
    "ecr",
    Call("CreateRepository", names={"name": "repositoryName"}),
    Call("DescribeRepositories", fixed={"repositoryNames": ["{id}"]}),
    "repositories[0]",
    "{name}",
    changes=(
        Call("PutImageScanningConfiguration", frozenset({"imageScanningConfiguration"}), fixed=_THIS),
        Call(
            "PutImageTagMutability",
            frozenset({"imageTagMutability", "imageTagMutabilityExclusionFilters"}),
            fixed=_THIS,
        ),
    ),
    deletes=(Call("DeleteRepository", fixed={**_THIS, "force": "{forceDelete}"}),),
    reads={"forceDelete": "", "name": "repositoryName"},
    filled=frozenset({"encryptionConfigurations"}),
    outputs={"arn": "repositoryArn", "registryId": "registryId", "repositoryUrl": "repositoryUri"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_ARN),
        Call("UntagResource", frozenset(), fixed=_ARN),
        sent="tags",
        into="tags",
        out="tagKeys",
        shown="tags",
        read=Call("ListTagsForResource", fixed=_ARN),
    ),
)


def _policy(token: str, put: str, name: str, text: str) -> ApiType:
    """Return the type of a repository's policy, which is replaced as a whole."""
    write = Call(put, names={"policy": text, "repository": "repositoryName"})
    return ApiType(
        token,
        "ecr",
        write,
        Call(f"Get{name}", fixed=_THIS),
        "@",
        "{repository}",
        changes=(Call(put, frozenset({"policy"}), names={"policy": text}, fixed=_THIS),),
        deletes=(Call(f"Delete{name}", fixed=_THIS),),
        reads={"policy": text, "repository": "repositoryName"},
        outputs={"registryId": "registryId"},
    )


LIFECYCLE: Final = _policy(
    "aws:ecr/lifecyclePolicy:LifecyclePolicy", "PutLifecyclePolicy", "LifecyclePolicy", "lifecyclePolicyText"
)
PERMISSIONS: Final = _policy(
    "aws:ecr/repositoryPolicy:RepositoryPolicy", "SetRepositoryPolicy", "RepositoryPolicy", "policyText"
)

SCANNING: Final = ApiType(
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration",
    "ecr",
    Call("PutRegistryScanningConfiguration"),
    Call("GetRegistryScanningConfiguration"),
    "@",
    "{account}",
    changes=(Call("PutRegistryScanningConfiguration"),),
    # A registry always has one: deletion restores the default.
    deletes=(Call("PutRegistryScanningConfiguration", fixed={"scanType": "BASIC", "rules": []}),),
    reads={"scanType": "scanningConfiguration.scanType", "rules": "scanningConfiguration.rules"},
    outputs={"registryId": "registryId"},
)

_TEXT: Final = frozenset({"policy"})

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(
        REPOSITORY,
        autoname="name",
        autoname_length=256,
        defaults={"imageTagMutability": "MUTABLE"},
    ),
    row(LIFECYCLE, required=("policy", "repository"), json=_TEXT),
    row(PERMISSIONS, required=("policy", "repository"), json=_TEXT),
    row(SCANNING, required=("scanType",)),
)
