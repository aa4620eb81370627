"""aws resource plugin: the official types and ids with boto3, for the AWS API emulator or AWS."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from typing_extensions import override

from local.plugins.aws import functions
from local.plugins.aws.aws_api import Cloud, connect, explain
from local.plugins.aws_account import (
    cloudtrail,
    cloudwatch,
    ec2,
    ecr,
    eks,
    guardduty,
    iam,
    iam_account,
    security_groups,
    sns_sqs,
    vpc,
    vpc_endpoints,
)
from local.plugins.aws_data import (
    backup,
    kafka,
    kms,
    rds,
    rds_groups,
    s3,
    s3_lifecycle,
    s3_objects,
    s3_protection,
    secretsmanager,
)
from local.plugins.provider.common import Diff, PluginError, Props, Request, differences, has_unknowns
from local.plugins.provider.rows import Row
from local.plugins.provider.servicer import run
from local.plugins.provider.tables import TableProvider

_MODULES: Final = (
    backup,
    ec2,
    rds,
    rds_groups,
    ecr,
    eks,
    vpc_endpoints,
    security_groups,
    iam,
    iam_account,
    kms,
    s3_lifecycle,
    cloudwatch,
    vpc,
    sns_sqs,
    s3_objects,
    cloudtrail,
    s3,
    s3_protection,
    secretsmanager,
    kafka,
    guardduty,
)
_ROWS: Final[Mapping[str, Row[Cloud]]] = {row.token: row for module in _MODULES for row in module.ROWS}


class AwsProvider(TableProvider[Cloud]):
    """Provider of the AWS resource types."""

    name = "aws"
    version = "7.51.1"
    rows = _ROWS

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__()
        self._environment = environment
        self._cloud: Cloud | None = None
        self._allowed = False

    @override
    def configure(self, config: Props) -> None:
        """Set region, endpoints and credentials, without a request."""
        self._cloud, self._allowed = connect(config, self._environment), False

    @override
    def client(self) -> Cloud:
        """Return the account, after checking that it is allowed."""
        if self._cloud is None:
            self._cloud = connect({}, self._environment)
        if not self._allowed:
            self._cloud.require_account()
            self._allowed = True
        return self._cloud

    @override
    def diff(self, request: Request) -> Diff:
        """Compare inputs, and the provider's default tags with the resource's."""
        difference = super().diff(request)
        row, had = self.row(request), request.state.get("tagsAll")
        watched = "tagsAll" in row.computed and row.update is not None and isinstance(had, dict)
        seen = {str(path[0]) for path in difference.changes} | set(request.ignore_changes)
        if not watched or self._cloud is None or seen & {"tags", "tagsAll"} or has_unknowns(request.inputs):
            return difference
        changes = differences({"tagsAll": had}, {"tagsAll": self._cloud.all_tags(request.inputs)})
        return replace(difference, changes={**difference.changes, **changes})

    @override
    def update(self, request: Request) -> Props:
        """Update the object in place; its present tags come from the state."""
        if isinstance(request.state.get("tagsAll"), dict) and not request.preview:
            had = {**request.old_inputs, "tagsAll": request.state["tagsAll"]}
            request = replace(request, old_inputs=had)
        return super().update(request)

    @override
    def secret_paths(self, request: Request) -> Iterable[tuple[str | int, ...]]:
        """Return the outputs that are always secret; the provider's own credentials are."""
        if request.type.startswith("pulumi:providers:"):
            return [("accessKey",), ("secretKey",), ("token",)]
        return super().secret_paths(request)

    @override
    def invoke(self, token: str, args: Props) -> Props:
        """Handle a function call of the program."""
        try:
            return functions.call(self.client(), token, args)
        except PluginError:
            raise
        except Exception as error:
            explained = explain(error, token)
            if explained is None:
                raise
            raise explained from error

    @override
    def fault(self, error: Exception, row: Row[Cloud], request: Request) -> PluginError | None:
        """Return the error of AWS."""
        return explain(error, f"{request.name} ({row.token})")


if __name__ == "__main__":
    run(AwsProvider())
