"""Settings of the pack: conventions of the stacks, profiles, allowed services and exemptions."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from policy_pack.errors import PackError

FOLDER = Path(__file__).parent
DEFAULT = FOLDER / "settings.yaml"
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _day(value: object) -> object:
    return value.date() if isinstance(value, datetime) else value


Day = Annotated[date, BeforeValidator(_day)]


class Level(StrEnum):
    """The effect of a violation: a mandatory one stops the update, an advisory one is shown."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"
    OFF = "off"


class Exemption(_Strict):
    """An exemption from one control, with a reason and an expiry date.

    Parameters
    ----------
    control
        The id of the control.
    resource
        A glob pattern for the URN or the name of resources.
    reason, owner
        The reason, and who is responsible.
    expires
        The last day on which it is in force.
    stacks
        The stacks to which it applies; none means all.
    kind
        The kind of resource to which it applies; while the stack has none of the kind, no finding has to match.
    """

    control: Text
    resource: Text
    reason: Text
    owner: Text
    expires: Day
    stacks: tuple[str, ...] = ()
    kind: str = ""


class Evidence(_Strict):
    """The dates of the last scan, test and audit, which a stack cannot show; None where there is no date."""

    vulnerability_scan: Day | None = None
    penetration_test: Day | None = None
    compliance_audit: Day | None = None


class Services(_Strict):
    """The allow list of providers, AWS services, regions, EKS versions and registries, and the denied ports."""

    packages: dict[str, str]
    aws: dict[str, str]
    regions: tuple[str, ...]
    eks_versions: tuple[str, ...]
    registries: tuple[str, ...]
    denied_ports: dict[int, str]


class Settings(_Strict):
    """The settings of the pack.

    Parameters
    ----------
    prefix
        The prefix of tags, labels and annotations.
    synthetic
        Stacks with synthetic data only, where deletion protection and clinical gates are not required.
    profiles
        The level of each profile of controls.
    data_classes
        Data classes of buckets, and whether each contains PHI.
    services
        The allow list of services.
    evidence
        The dates that no stack can show.
    exemptions
        The exemptions.
    releases
        A folder with model releases, so that gates are also checked on the files of a release.
    access
        The table of access; ``--policy-pack-config`` cannot name another one.
    today
        The date by which ages and exemptions are evaluated.
    """

    prefix: Text = "healthcare-mlops"
    synthetic: tuple[str, ...] = ()
    profiles: dict[str, Level] = Field(default_factory=dict)
    data_classes: dict[str, bool] = Field(default_factory=dict)
    services: Services
    evidence: Evidence = Evidence()
    exemptions: tuple[Exemption, ...] = ()
    releases: Path | None = None
    access: Path = FOLDER / "access.yaml"
    today: Day = Field(default_factory=lambda: datetime.now(UTC).date())

    def phi(self, data_class: str) -> bool:
        """Return whether a data class contains PHI; an unknown class does."""
        return self.data_classes.get(data_class, True)

    def is_synthetic(self, stack: str) -> bool:
        """Return whether a stack has synthetic data only."""
        return stack in self.synthetic


@cache
def _services() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "services.yaml").read_text(encoding="utf-8")))


def load(path: Path = DEFAULT) -> Settings:
    """Read the settings from a YAML or JSON file.

    Raises
    ------
    PackError
        When the file does not exist or has an unknown setting.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); use a settings file of the policy pack.") from None
    except yaml.YAMLError:
        raise PackError(f"{path} is neither YAML nor JSON; correct the file.") from None
    return parse(document, str(path))


def parse(document: Any, source: str) -> Settings:
    """Return settings from plain values; ``source`` is their name in messages."""
    if document is not None and not isinstance(document, Mapping):
        raise PackError(f"{source} must be a map of settings, such as exemptions: [].")
    values = {"services": _services(), **(document or {})}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(step) for step in first["loc"]) or "the file"
        raise PackError(f"{source}: {path}: {first['msg'].lower()}.") from None
