"""AWS API client of the rows: one boto3 client per service, tags, and errors as one sentence."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import boto3
import botocore.exceptions
from botocore.config import Config

from local.plugins.provider.common import PluginError, Props, decode_config, flag

# boto3 creates its clients from service models at run time, so their types are not checked.
_new_session: Final[Any] = boto3.session.Session
# Security Hub returns "InvalidAccessException" if it is not enabled in the account.
_GONE: Final = re.compile(r"^404$|NotFound|NoSuch|NonExistent|DoesNotExist|NotExist|^InvalidAccessException$")
# Messages of GuardDuty and Secrets Manager for missing objects, which have generic error codes.
_GONE_WORDS: Final = re.compile(
    r"detectorId is not owned by the current account|secret that's currently marked deleted|scheduled for deletion"
)
# Error code of the project's emulator; AWS has no such code.
_NOT_EMULATED: Final = "NotEmulated"


class NotEmulatedError(PluginError):
    """Error: the emulator does not support an operation; AWS never returns it."""


ACCOUNT_DIGITS: Final = 12


@dataclass
class Cloud:
    """AWS account in a region."""

    config: Props
    environment: Mapping[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)
    _elsewhere: "dict[str, Cloud]" = field(default_factory=dict)
    _account: str = ""
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

    def at(self, region: str | None) -> "Cloud":
        """Return the same account in the region of a resource, by default the current one."""
        if not region or region == self.region:
            return self
        with self._lock:
            if region not in self._elsewhere:
                self._elsewhere[region] = Cloud({**self.config, "region": region}, self.environment)
            return self._elsewhere[region]

    def __getattr__(self, service: str) -> Any:
        """Return the client of a service, such as ``cloud.s3``."""
        if service.startswith("_"):
            raise AttributeError(service)
        return self.client(service.replace("_", "-"))

    def client(self, service: str) -> Any:
        """Return the client of a service by its boto3 name, such as ``config``."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connect(service)
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
        # A custom endpoint has no host name per account.
        own_endpoint = self._endpoint(service) is not None or bool(self.environment.get("AWS_ENDPOINT_URL"))
        options = Config(
            retries={"max_attempts": int(config.get("maxRetries", 5)), "mode": "standard"},
            s3={"addressing_style": "path"} if path_style else None,
            max_pool_connections=32,
            inject_host_prefix=not own_endpoint,
        )
        client = session.client(
            service,
            endpoint_url=self._endpoint(service),
            verify=False if flag(config, "insecure") else config.get("customCaBundle"),
            config=options,
        )
        if own_endpoint and service == "s3control":
            # Its endpoint rules prefix the host with the account nevertheless.
            client.meta.events.register("before-sign.s3-control", _without_account)
        return client

    def _endpoint(self, service: str) -> str | None:
        for endpoint in self.config.get("endpoints") or []:
            if endpoint.get(service.replace("-", "")):
                return str(endpoint[service.replace("-", "")])
        return None

    @property
    def account(self) -> str:
        """The account's number."""
        with self._lock:
            if not self._account:
                self._account = str(self.sts.get_caller_identity()["Account"])
            return self._account

    def require_account(self) -> None:
        """Check that the configuration allows the account, before any change.

        Raises
        ------
        PluginError
            When the credentials belong to another account.
        """
        allowed, forbidden = self.config.get("allowedAccountIds") or [], self.config.get("forbiddenAccountIds") or []
        if not allowed and not forbidden:
            return
        try:
            account = self.account
        except Exception as error:
            explained = explain(error, "the AWS account")
            if explained is None:
                raise
            raise explained from error
        if (allowed and account not in allowed) or account in forbidden:
            wanted = f"only {', '.join(allowed)}" if allowed else f"not {account}"
            raise PluginError(
                f"these credentials belong to the AWS account {account}, but the provider allows {wanted}: "
                "use credentials of the other account, or correct the account in the stack's configuration"
            )

    def all_tags(self, inputs: Props) -> dict[str, str]:
        """Return a resource's tags with the provider's default tags, or the previous ones if a state has them."""
        if "tagsAll" in inputs:
            return dict(inputs["tagsAll"])
        defaults = (self.config.get("defaultTags") or {}).get("tags") or {}
        return {**defaults, **(inputs.get("tags") or {})}

    def show_tags(self, live: Mapping[str, str], inputs: Props) -> Props:
        """Return live tags as ``tags`` and ``tagsAll``; default tags are not in ``tags``."""
        defaults = (self.config.get("defaultTags") or {}).get("tags") or {}
        written = inputs.get("tags") or {}
        own = {key: value for key, value in live.items() if key in written or defaults.get(key) != value}
        return {"tags": own or None, "tagsAll": dict(live)}


def _without_account(request: Any, **_: Any) -> None:
    """Remove the account prefix from the host of a request."""
    parts = urlsplit(request.url)
    account, _, host = parts.netloc.partition(".")
    if account.isdigit() and len(account) == ACCOUNT_DIGITS:
        request.url = urlunsplit(parts._replace(netloc=host))


def connect(config: Props, environment: Mapping[str, str]) -> Cloud:
    """Return the account for a provider's configuration."""
    return Cloud(decode_config(config), environment)


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Return tags as a list of AWS key-value pairs."""
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
    """Update tags, changing only differences."""
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
    """Return the response of a read call, or None if the object does not exist."""
    try:
        return call(**arguments)
    except botocore.exceptions.ClientError as error:
        details = error.response["Error"]
        gone = _GONE.search(details["Code"]) or _GONE_WORDS.search(details.get("Message", ""))
        if gone and not_emulated(error) is None:
            return None
        raise


def not_emulated(error: botocore.exceptions.ClientError) -> NotEmulatedError | None:
    """Return the operation that is not emulated, if an error says so."""
    if error.response["Error"]["Code"] != _NOT_EMULATED:
        return None
    return NotEmulatedError(f"not emulated: {error.operation_name}")


def explain(error: Exception, name: str) -> PluginError | None:
    """Return an AWS error as one sentence."""
    if isinstance(error, botocore.exceptions.ClientError):
        details = error.response["Error"]
        text = " ".join(str(details.get("Message", "")).split())
        return PluginError(f"{name}: AWS refused {error.operation_name}: {details['Code']}: {text}")
    if isinstance(error, botocore.exceptions.NoCredentialsError | botocore.exceptions.PartialCredentialsError):
        return PluginError(f"{name}: no AWS credentials; set AWS_SHARED_CREDENTIALS_FILE or accessKey and secretKey")
    if isinstance(error, botocore.exceptions.BotoCoreError):
        return PluginError(f"{name}: AWS cannot be called: {' '.join(str(error).split())}")
    return None
