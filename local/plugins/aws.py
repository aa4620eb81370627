"""The aws resource plugin: official types and ids over boto3, against an AWS API emulator or AWS."""

import os
from collections.abc import Iterable, Mapping
from typing import Final

from typing_extensions import override

from local.plugins import (
    aws_backup,
    aws_compute,
    aws_database,
    aws_database_groups,
    aws_ecr,
    aws_eks,
    aws_endpoints,
    aws_functions,
    aws_groups,
    aws_iam,
    aws_iam_account,
    aws_kms,
    aws_lifecycle,
    aws_logs,
    aws_network,
    aws_notices,
    aws_objects,
    aws_records,
    aws_s3,
    aws_s3_guards,
    aws_secrets,
    aws_streaming,
    aws_watch,
)
from local.plugins.aws_cloud import Cloud, connect, explain
from local.plugins.common import PluginError, Props, Request, run
from local.plugins.rows import Row
from local.plugins.tables import TableProvider

_MODULES: Final = (
    aws_backup,
    aws_compute,
    aws_database,
    aws_database_groups,
    aws_ecr,
    aws_eks,
    aws_endpoints,
    aws_groups,
    aws_iam,
    aws_iam_account,
    aws_kms,
    aws_lifecycle,
    aws_logs,
    aws_network,
    aws_notices,
    aws_objects,
    aws_records,
    aws_s3,
    aws_s3_guards,
    aws_secrets,
    aws_streaming,
    aws_watch,
)
_ROWS: Final[Mapping[str, Row[Cloud]]] = {row.token: row for module in _MODULES for row in module.ROWS}


class AwsProvider(TableProvider[Cloud]):
    """AWS's resource types."""

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
        """Take region, endpoints and credentials; nothing is contacted yet."""
        self._cloud, self._allowed = connect(config, self._environment), False

    @override
    def client(self) -> Cloud:
        """Return the account, once it is known to be the right one."""
        if self._cloud is None:
            self._cloud = connect({}, self._environment)
        if not self._allowed:
            self._cloud.require_account()
            self._allowed = True
        return self._cloud

    @override
    def secret_paths(self, request: Request) -> Iterable[tuple[str | int, ...]]:
        """Return the outputs that are always secret; the provider's own credentials are."""
        if request.type.startswith("pulumi:providers:"):
            return [("accessKey",), ("secretKey",), ("token",)]
        return super().secret_paths(request)

    @override
    def invoke(self, token: str, args: Props) -> Props:
        """Answer a function call of the program."""
        try:
            return aws_functions.call(self.client(), token, args)
        except PluginError:
            raise
        except Exception as error:
            told = explain(error, token)
            if told is None:
                raise
            raise told from error

    @override
    def fault(self, error: Exception, row: Row[Cloud], request: Request) -> PluginError | None:
        """Say what AWS says."""
        return explain(error, f"{request.name} ({row.token})")


if __name__ == "__main__":
    run(AwsProvider())
