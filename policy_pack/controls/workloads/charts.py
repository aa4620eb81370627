"""Helm releases: the charts of ``workloads/platform/charts.yaml``, from where and with what it says."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from policy_pack import tables
from policy_pack.controls.rules import resource_check
from policy_pack.facts.zone_table import PLATFORM
from policy_pack.stack.checks import Findings, expect, is_empty, is_not_true, one_of, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.values import UNKNOWN, NotKnownError, leaves

RELEASE = "k8s:helm.sh/Release"
_TABLE = "workloads/platform/charts.yaml"
_PLACES = {"chart": "chart", "version": "version", "repository": "repositoryOpts.repo"}
# What changes what a chart renders, or skips what it needs, and is in no table.
_OTHERWISE = ("postrender", "valueYamlFiles", "repositoryOpts.username", "repositoryOpts.password")
_SKIPPED = ("disableWebhooks", "disableOpenapiValidation", "devel", "repositoryOpts.insecureSkipTlsVerify")
_VARIABLE = re.compile(r"\$\{\w+\}")


@dataclass(frozen=True)
class Chart:
    """A chart of ``workloads/platform/charts.yaml``.

    Parameters
    ----------
    source
        The values of a Helm release by which Helm finds the chart: chart, version and repository.
    values
        The patterns of its values by path.
    """

    source: Mapping[str, str]
    values: Mapping[str, re.Pattern[str]]

    def other_values(self, values: Any) -> Iterator[str]:
        """Return the paths of values that the table does not have, and of those that a release lacks."""
        given = dict(_leaves(values))
        for path in sorted(given.keys() | self.values.keys()):
            pattern, value = self.values.get(path), given.get(path, "")
            if value is not UNKNOWN and (pattern is None or pattern.fullmatch(_text(value)) is None):
                yield path


@cache
def charts() -> Mapping[str, Chart]:
    """Return the charts by name."""
    return tables.read(_charts, PLATFORM)


def _charts(document: Any) -> dict[str, Chart]:
    return {row["name"]: _chart(row) for row in document["charts"]}


def _chart(row: Mapping[str, Any]) -> Chart:
    source = {"chart": str(row["chart"]), "version": str(row["version"]), "repository": str(row.get("repository", ""))}
    return Chart(source, {path: _pattern(value) for path, value in _leaves(row.get("values"))})


def _leaves(values: Any) -> Iterator[tuple[str, Any]]:
    """Return the values with their paths; an empty list or map is a value of a chart as well."""
    return ((path, value) for path, value in leaves(values or {}) if value is not None)


def _pattern(value: Any) -> re.Pattern[str]:
    """Return the pattern of a value; a variable stands for any text of the stack's settings, or none."""
    return re.compile(".*".join(re.escape(part) for part in _VARIABLE.split(_text(value))))


def _text(value: Any) -> str:
    """Return a value as text; the engine sends whole numbers as fractions."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


@resource_check("INV-03", RELEASE)
def charts_are_described(release: Resource) -> Findings:
    """Refuse charts that the table does not have, and those of the table from elsewhere or in another version."""
    name = release.at("name").text() or release.name
    chart = charts().get(name)
    if chart is None:
        yield violation(f"installs the chart {name}, which {_TABLE} does not have; review it and describe it there")
        return
    for field, path in _PLACES.items():
        expected = chart.source[field]
        message = f"its {field} is not {expected or 'absent'}, as {_TABLE} has it"
        yield from expect(release.at(path), one_of(expected) if expected else is_empty, message)
    for path in _OTHERWISE:
        yield from expect(release.at(path), is_empty, f"changes the chart {name} by {path}, which nobody evaluates")
    for path in _SKIPPED:
        yield from expect(release.at(path), is_not_true, f"installs the chart {name} with {path}; remove it")
    yield from _values(release, chart)


def _values(release: Resource, chart: Chart) -> Findings:
    values = release.at("values")
    if not values.known:
        raise NotKnownError(values.path)
    for path in chart.other_values(values.raw):
        yield violation(f"values.{path} is not what {_TABLE} has; change the table, or take it from there", values.path)
