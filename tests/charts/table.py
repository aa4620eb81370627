"""The table of rendered charts ``charts.yaml``, and the reasons for what the policy pack finds in them."""

from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

TABLE = Path(__file__).with_name("charts.yaml")
ACCEPTED = Path(__file__).with_name("accepted.yaml")
_STRICT = ConfigDict(extra="forbid")
_HEADER = """\
# Charts of workloads/platform/charts.yaml as `make test-charts` rendered them with the values of the production stack.
# Generated: after a change of a chart's version or values, run it again. accepted.yaml has the reasons for findings.
"""


@dataclass(frozen=True, config=_STRICT)
class Finding:
    """Findings of one control with one message, and the number of objects."""

    control: str
    message: str
    objects: int


@dataclass(frozen=True, config=_STRICT)
class RenderedChart:
    """A chart as it was rendered.

    Parameters
    ----------
    version
        The version of ``charts.yaml``.
    values
        The digest of version, namespace and values.
    rendered
        The digest of the rendered text.
    objects
        The number of objects of each kind.
    images
        The images of all containers.
    findings
        What the policy pack finds in the objects.
    """

    version: str
    values: str
    rendered: str
    objects: dict[str, int]
    images: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, config=_STRICT)
class Accepted:
    """Findings that are accepted: the control, globs for charts and messages, and the reason."""

    control: str
    reason: str
    chart: str = "*"
    message: str = "*"

    def covers(self, chart: str, finding: Finding) -> bool:
        """Return whether a finding on a chart is one of these."""
        wanted = ((finding.control, self.control), (chart, self.chart), (finding.message, self.message))
        return all(fnmatchcase(text, pattern) for text, pattern in wanted)


def read() -> dict[str, RenderedChart]:
    """Return the table of rendered charts."""
    document = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, RenderedChart]).validate_python(document)


def accepted() -> list[Accepted]:
    """Return the findings that are accepted."""
    return TypeAdapter(list[Accepted]).validate_python(yaml.safe_load(ACCEPTED.read_text(encoding="utf-8")))


def write(charts: dict[str, RenderedChart]) -> None:
    """Write the table of rendered charts."""
    document = TypeAdapter(dict[str, RenderedChart]).dump_python(charts, mode="json")
    text = yaml.safe_dump(document, sort_keys=False, width=118, allow_unicode=True)
    TABLE.write_text(_HEADER + text, encoding="utf-8")


def not_accepted(charts: dict[str, RenderedChart]) -> list[tuple[str, Finding]]:
    """Return the findings without a reason."""
    rows = accepted()
    return [
        (name, finding)
        for name, chart in charts.items()
        for finding in chart.findings
        if not any(row.covers(name, finding) for row in rows)
    ]


def unused(charts: dict[str, RenderedChart]) -> list[Accepted]:
    """Return the reasons that no finding needs."""
    findings = [(name, finding) for name, chart in charts.items() for finding in chart.findings]
    return [row for row in accepted() if not any(row.covers(*one) for one in findings)]
