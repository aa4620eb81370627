"""The AWS API as the rows use it: one client a service, tags, and errors in one sentence."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
import botocore.exceptions
from botocore.config import Config

from local.plugins.common import PluginError, Props, decode_config, flag

# boto3 makes its clients from service models at run time; their types are not checked.
_new_session: Final[Any] = boto3.session.Session
_GONE: Final = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchKey",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NotFoundException",
        "OwnershipControlsNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


@dataclass
class Cloud:
    """An account in a region."""

    config: Props
    environment: Mapping[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def region(self) -> str:
        """The provider's region."""
        named = (
            self.config.get("region")
            or self.environment.get("AWS_REGION")
            or self.environment.get("AWS_DEFAULT_REGION")
        )
        if not named:
            raise PluginError("no AWS region: set `aws:region` or AWS_REGION")
        return str(named)

    @property
    def partition(self) -> str:
        """The partition of the region."""
        return (
            "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if self.region.startswith("us-gov-") else "aws"
        )

    def __getattr__(self, service: str) -> Any:
        """Return the client of a service, such as ``cloud.s3``."""
        if service.startswith("_"):
            raise AttributeError(service)
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connect(service.replace("_", "-"))
            return self._clients[service]

    def _connect(self, service: str) -> Any:
        config = self.config
        session = _new_session(
            aws_access_key_id=config.get("accessKey"),
            aws_secret_access_key=config.get("secretKey"),
            aws_session_token=config.get("token"),
            profile_name=config.get("profile"),
            region_name=self.region,
        )
        path_style = flag(config, "s3UsePathStyle")
        options = Config(
            retries={"max_attempts": int(config.get("maxRetries", 5)), "mode": "standard"},
            s3={"addressing_style": "path"} if path_style else None,
            max_pool_connections=32,
        )
        return session.client(
            service,
            endpoint_url=self._endpoint(service),
            verify=False if flag(config, "insecure") else config.get("customCaBundle"),
            config=options,
        )

    def _endpoint(self, service: str) -> str | None:
        for endpoint in self.config.get("endpoints") or []:
            if endpoint.get(service.replace("-", "")):
                return str(endpoint[service.replace("-", "")])
        return None

    @property
    def account(self) -> str:
        """The account's number."""
        return str(self.sts.get_caller_identity()["Account"])

    def all_tags(self, inputs: Props) -> dict[str, str]:
        """Return a resource's tags with the provider's default ones."""
        defaults = (self.config.get("defaultTags") or {}).get("tags") or {}
        return {**defaults, **(inputs.get("tags") or {})}

    def show_tags(self, live: Mapping[str, str], inputs: Props) -> Props:
        """Return live tags as ``tags`` and ``tagsAll``; a default tag is not the resource's own."""
        defaults = (self.config.get("defaultTags") or {}).get("tags") or {}
        written = inputs.get("tags") or {}
        own = {key: value for key, value in live.items() if key in written or defaults.get(key) != value}
        return {"tags": own or None, "tagsAll": dict(live)}


def connect(config: Props, environment: Mapping[str, str]) -> Cloud:
    """Return the account that a provider's configuration names."""
    return Cloud(decode_config(config), environment)


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Return tags as AWS lists them."""
    return [{key: name, value: text} for name, text in sorted(tags.items())]


def mapping(tags: list[dict[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return AWS's list of tags as a mapping."""
    return {tag[key]: tag[value] for tag in tags or []}


def retag(
    old: Mapping[str, str],
    new: Mapping[str, str],
    add: Callable[[dict[str, str]], Any],
    remove: Callable[[list[str]], Any],
) -> None:
    """Make tags what they should be, touching only what differs."""
    gone = sorted(set(old) - set(new))
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    if gone:
        remove(gone)
    if changed:
        add(changed)


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that have a value."""
    return {name: value for name, value in arguments.items() if value is not None}


def found(call: Callable[..., Any], **arguments: Any) -> Any:
    """Return what a read call answers, or nothing when the object is gone."""
    try:
        return call(**arguments)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise


def explain(error: Exception, name: str) -> PluginError | None:
    """Say in one sentence what AWS refused."""
    if isinstance(error, botocore.exceptions.ClientError):
        told = error.response["Error"]
        text = " ".join(str(told.get("Message", "")).split())
        return PluginError(f"{name}: AWS refused {error.operation_name}: {told['Code']}: {text}")
    if isinstance(error, botocore.exceptions.NoCredentialsError | botocore.exceptions.PartialCredentialsError):
        return PluginError(f"{name}: no AWS credentials; set AWS_SHARED_CREDENTIALS_FILE or accessKey and secretKey")
    if isinstance(error, botocore.exceptions.BotoCoreError):
        return PluginError(f"{name}: AWS cannot be called: {' '.join(str(error).split())}")
    return None
