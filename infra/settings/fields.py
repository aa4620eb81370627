"""Sections of a stack's settings, and the types of their fields: how each is written, and how its text is read."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo

import pulumi_aws
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

_REGIONS = frozenset(region.value for region in pulumi_aws.Region)
_VPC_PREFIXES = range(16, 21)


@dataclass(frozen=True)
class Written:
    """Annotation of a field that is written as text.

    Parameters
    ----------
    form
        What to write, for messages and docs/settings.md.
    read
        Returns the value of a text; raises ValueError or KeyError for a text that has none.
    fault
        What a message says about such a text.
    """

    form: str
    read: Callable[[str], object]
    fault: str = "cannot be used here"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._value, handler(source))

    def _value(self, value: object) -> object:
        if not isinstance(value, str):
            raise ValueError(f"{_not_text(value)}; write {self.form}")
        try:
            return self.read(value)
        except (ValueError, KeyError, OSError):
            raise ValueError(f"{value!r} {self.fault}; write {self.form}") from None


def _not_text(value: object) -> str:
    """Return what a message says of a value that is not text; nothing of a list or a map is repeated."""
    if isinstance(value, int | float) or value is None:
        return f"{json.dumps(value)} is not text"
    return f"is a {'list' if isinstance(value, list | tuple) else 'map'} and not text"


def matching(pattern: str, form: str, longest: int = 200) -> Written:
    """Return the annotation of a text that a pattern matches as a whole."""

    def read(text: str) -> str:
        if len(text) > longest or not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Written(form, read)


def retention_days(text: str) -> int:
    """Return the days of a retention, such as 30d or 6y."""
    match = re.fullmatch(r"([1-9]\d{0,4})([dy])", text)
    days = int(match[1]) * (365 if match[2] == "y" else 1) if match else 0
    if not 1 <= days <= 50 * 365:
        raise ValueError(text)
    return days


def _duration(text: str) -> str:
    retention_days(text)
    return text


def _millicores(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}m|[1-9]\d?", text):
        raise ValueError(text)
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def _mebibytes(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}(Mi|Gi)", text):
        raise ValueError(text)
    return int(text[:-2]) * (1024 if text.endswith("Gi") else 1)


def _memory(text: str) -> str:
    _mebibytes(text)
    return text


def _region(text: str) -> str:
    if text not in _REGIONS:
        raise ValueError(text)
    return text


def _time_zone(text: str) -> str:
    ZoneInfo(text)
    return text


def _vpc(text: str) -> IPv4Network:
    network = IPv4Network(text)
    if network.prefixlen not in _VPC_PREFIXES:
        raise ValueError(text)
    return network


_NOT_A_NETWORK = "is not an IPv4 network"
_NETWORK_FORM = "the first address and length of an IPv4 network, such as 10.50.0.0/24"
_MEMORY_FORM = "MiB or GiB, such as 512Mi or 2Gi"

EnvironmentName = Annotated[
    str, matching(r"[a-z][a-z0-9]*", "lower-case letters and digits, starting with a letter, at most 12 characters", 12)
]
HospitalName = Annotated[
    str,
    matching(
        r"[a-z](-?[a-z0-9])*",
        "lower-case letters, digits and single hyphens, starting with a letter, at most 24 characters",
        24,
    ),
]
Text = Annotated[str, matching(r"[^\x00-\x1f\x7f]+", "text of at most 200 characters")]
Email = Annotated[str, matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address, such as secops@north.example")]
TimeZone = Annotated[
    str, Written("a name such as America/New_York or Europe/Berlin", _time_zone, fault="is not a time zone")
]
Duration = Annotated[
    str, Written("days or years, such as 30d or 6y, at most 50y", _duration, fault="is not a retention")
]

Network = Annotated[str, Written(_NETWORK_FORM, lambda text: str(IPv4Network(text)), fault=_NOT_A_NETWORK)]
ClusterNetwork = Annotated[IPv4Network, Written(_NETWORK_FORM, IPv4Network, fault=_NOT_A_NETWORK)]
VpcNetwork = Annotated[
    IPv4Network,
    Written(
        "the first address and length of a network from /16 to /20, such as 10.40.0.0/16",
        _vpc,
        fault="is not a network with room for the subnets of a VPC",
    ),
]
Url = Annotated[
    str,
    Written(
        "https://host[:port][/path]",
        matching(r"https://[A-Za-z0-9.-]+(:[1-9]\d{1,4})?(/[^?#\s]*)?", "", 10_000).read,
        fault="is not a plain https address",
    ),
]
PostgresqlUrl = Annotated[
    str,
    Written(
        "postgresql://host[:port]",
        matching(r"postgresql://[A-Za-z0-9.-]+(:[1-9]\d{1,4})?", "", 300).read,
        fault="is not the address of a PostgreSQL server",
    ),
]
DomainName = Annotated[
    str, matching(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", "a domain name, such as risk.hospitals.example")
]

Account = Annotated[str, matching(r"\d{12}", "the twelve digits of an AWS account, in quotes")]
Region = Annotated[str, Written("a region such as us-east-1", _region, fault="is not an AWS region")]
PrincipalArn = Annotated[
    str, matching(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+", "the ARN of an IAM role or user")
]
KeyAlias = Annotated[
    str, matching(r"alias/(?!aws/)[\w/-]+", "the alias of the hospital's KMS key, such as alias/north-raw")
]
VpcId = Annotated[str, matching(r"vpc-[0-9a-f]{8,17}", "the ID of a VPC, such as vpc-0a1b2c3d")]
ImageDigest = Annotated[
    str, matching(r"[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}", "name@sha256:digest, as `make images` does")
]

Millicores = Annotated[int, Written('cores or thousandths of a core, such as "1" or 500m', _millicores)]
Mebibytes = Annotated[int, Written(_MEMORY_FORM, _mebibytes)]
Memory = Annotated[str, Written(_MEMORY_FORM, _memory)]


class Section(BaseModel):
    """A section of a stack's settings: immutable, with keys in camel case and no unknown ones."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=True
    )


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections in the type of a field, such as that of ``tuple[Hospital, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_in(argument)


def has_setting(section: type[Section], path: Sequence[int | str]) -> bool:
    """Return whether a section has a setting at a path of keys and list positions."""
    keys = [part for part in path if isinstance(part, str)]
    sections = [section]
    for key in keys:
        fields = [field for each in sections for field in each.model_fields.values() if field.alias == key]
        if not fields:
            return False
        sections = [inner for field in fields for inner in sections_in(field.annotation)]
    return True
