"""The pack's own configuration: conventions of the stacks that it judges, profiles and exemptions."""

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
    """What a violation does: stop the update, or be shown."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"
    OFF = "off"


class Exemption(_Strict):
    """Leave to break one control, for a reason and a time.

    Parameters
    ----------
    control
        The control's id.
    resource
        A glob over URN or name of the resources.
    reason, owner
        Why, and who answers for it.
    expires
        The last day on which it holds.
    stacks
        The stacks in which it holds; none means all.
    kind
        The type of what it is for, where a stack need not have any yet; while it has none, nothing need match.
    """

    control: Text
    resource: Text
    reason: Text
    owner: Text
    expires: Day
    stacks: tuple[str, ...] = ()
    kind: str = ""


class Evidence(_Strict):
    """When people last did what no stack can show; None: not told."""

    vulnerability_scan: Day | None = None
    penetration_test: Day | None = None
    compliance_audit: Day | None = None


class Services(_Strict):
    """What may be used at all."""

    packages: dict[str, str]
    aws: dict[str, str]
    regions: tuple[str, ...]
    eks_versions: tuple[str, ...]
    registries: tuple[str, ...]
    denied_ports: dict[int, str]


class Settings(_Strict):
    """Everything that the controls know besides the stack.

    Parameters
    ----------
    prefix
        Of the stack's own tags, labels and annotations.
    synthetic
        Stacks that hold synthetic data only, so that deletion protection and clinical gates are not asked of them.
    profiles
        The level at which each profile's rows are held.
    data_classes
        Data classes of buckets, and whether each holds PHI.
    services
        What may be used at all.
    evidence
        What no stack can show.
    exemptions
        Leave to break controls.
    releases
        A folder of model releases, so that gates are judged on a release's own files.
    today
        The day by which ages and exemptions are judged.
    """

    prefix: Text = "healthcare-mlops"
    synthetic: tuple[str, ...] = ()
    profiles: dict[str, Level] = Field(default_factory=dict)
    data_classes: dict[str, bool] = Field(default_factory=dict)
    services: Services
    evidence: Evidence = Evidence()
    exemptions: tuple[Exemption, ...] = ()
    releases: Path | None = None
    today: Day = Field(default_factory=lambda: datetime.now(UTC).date())

    def phi(self, data_class: str) -> bool:
        """Return whether a data class holds PHI; one that nobody described does."""
        return self.data_classes.get(data_class, True)

    def is_synthetic(self, stack: str) -> bool:
        """Return whether a stack holds synthetic data only."""
        return stack in self.synthetic


@cache
def _services() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "services.yaml").read_text(encoding="utf-8")))


def load(path: Path = DEFAULT) -> Settings:
    """Read the pack's settings from a YAML or JSON file.

    Raises
    ------
    PackError
        When the file is not there or says what the pack does not know.
    """
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); name a settings file of the policy pack.") from None
    except yaml.YAMLError:
        raise PackError(f"{path} is neither YAML nor JSON; mend it and run again.") from None
    return parse(written, str(path))


def parse(written: Any, where: str) -> Settings:
    """Return settings from plain values; ``where`` names them in messages."""
    if written is not None and not isinstance(written, Mapping):
        raise PackError(f"{where} must be a map of settings, such as exemptions: [].")
    values = {"services": _services(), **(written or {})}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise PackError(f"{where}: {place}: {first['msg'].lower()}.") from None
