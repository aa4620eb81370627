"""The fields of the stack's configuration: how each is written, and the sentence for what cannot be used."""

import re
from ipaddress import IPv4Network
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

NAME_HINT = "use small letters, digits and single hyphens, starting with a letter, at most 24 characters"
RELEASE_HINT = "write version@digest as the release step printed it, such as v1@3f9c2d4be071"
RETENTION_HINT = "write days or years, such as 30d or 6y, at most 50y"
CPU_HINT = 'write cores or thousandths of a core, such as "1" or 500m'
MEMORY_HINT = "write MiB or GiB, such as 512Mi or 2Gi"


def matching(pattern: str, hint: str, longest: int = 200) -> AfterValidator:
    """Return a check of a whole text against a pattern; ``hint`` says how to write it."""

    def check(text: str) -> str:
        if len(text) > longest or not re.fullmatch(pattern, text):
            raise ValueError(f"'{text}' cannot be used here; {hint}")
        return text

    return AfterValidator(check)


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"'{text}' is not a time zone; write a name such as America/New_York or Europe/Berlin"
        ) from None
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[1-9]\d{1,4})?(/[^?#\s]*)?", text):
        raise ValueError(f"'{text}' is not a plain https address; write it as https://host[:port][/path]")
    return text


def network_of(text: str) -> IPv4Network:
    """Return an IPv4 network, or say how to write one."""
    try:
        return IPv4Network(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is not an IPv4 network; write its first address and length, such as 10.50.0.0/24"
        ) from None


def _network(text: str) -> str:
    return str(network_of(text))


def days(text: str) -> int:
    """Return a retention in days."""
    found = re.fullmatch(r"([1-9]\d{0,4})([dy])", text)
    count = int(found[1]) * (365 if found[2] == "y" else 1) if found else 0
    if not 1 <= count <= 50 * 365:
        raise ValueError(f"'{text}' is not a retention; {RETENTION_HINT}")
    return count


def _retention(text: str) -> str:
    days(text)
    return text


def millicores(text: str) -> int:
    """Return CPU in thousandths of a core."""
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def mebibytes(text: str) -> int:
    """Return memory in MiB."""
    return int(text[:-2]) * (1024 if text.endswith("Gi") else 1)


HospitalName = Annotated[str, matching(r"[a-z](-?[a-z0-9])*", NAME_HINT, 24)]
EnvironmentName = Annotated[
    str, matching(r"[a-z][a-z0-9]*", "use small letters and digits, starting with a letter, at most 12 characters", 12)
]
Region = Annotated[str, matching(r"[a-z]{2}(-[a-z]+)+-\d", "write an AWS region, such as us-east-1")]
ReleaseText = Annotated[str, matching(r"v[1-9]\d{0,3}@[0-9a-f]{12}", RELEASE_HINT)]
Retention = Annotated[str, AfterValidator(_retention)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Network = Annotated[str, AfterValidator(_network)]
Url = Annotated[str, AfterValidator(_url)]
DomainName = Annotated[
    str,
    matching(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", "write a domain name, such as risk.hospitals.example"),
]
Cpu = Annotated[str, matching(r"[1-9]\d{0,4}m|[1-9]\d?", CPU_HINT)]
Memory = Annotated[str, matching(r"[1-9]\d{0,5}(Mi|Gi)", MEMORY_HINT)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Account = Annotated[str, matching(r"\d{12}", "write the twelve digits of an AWS account")]
PrincipalArn = Annotated[
    str,
    matching(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+", "write the ARN of an IAM role or user"),
]
KeyAlias = Annotated[
    str,
    matching(r"alias/(?!aws/)[\w/-]+", "write the alias that the hospital's key is to have, such as alias/north-raw"),
]
Email = Annotated[str, matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "write an e-mail address, such as secops@north.example")]
