"""The evidence as one page that needs nothing else: its style and pictures are in it."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from policy_pack.evidence import labels
from policy_pack.evidence.control_report import Standing
from policy_pack.evidence.pages import access_matrix
from policy_pack.evidence.pages.diagrams import flow_drawing, look_of, network_drawing
from policy_pack.evidence.report import Report
from policy_pack.stack.external_endpoints import Addresses

_TEMPLATES = Path(__file__).with_name("templates")
_SHOWN = (Standing.HELD, Standing.DECLARED, Standing.EXEMPT, Standing.REFUSED, Standing.ADVISED, Standing.LATER)
_MEANS = {
    Standing.HELD: "the stack shows it",
    Standing.DECLARED: "the stack declares it, people must show it",
    Standing.EXEMPT: "left out for a reason and a time",
    Standing.REFUSED: "broken: must be mended",
    Standing.ADVISED: "broken, but not mandatory",
    Standing.LATER: "a value is not in the state",
    Standing.ABSENT: "nothing of its kind is in the stack",
    Standing.OFF: "switched off by its profile",
}


def page(report: Report, addresses: Addresses | None) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = labels.kind
    environment.filters["look"] = look_of
    template = environment.get_template("page.html.j2")
    return template.render(_values(report, addresses))


def _values(report: Report, addresses: Addresses | None) -> dict[str, Any]:
    networks = {name: network_drawing(name, report.network, addresses) for name in report.hospitals}
    flows = {
        flow.hospital: flow_drawing(flow, report.network, report.lines, report.titles)
        for flow in report.flows
        if flow.steps or flow.stores
    }
    return {
        "report": report,
        "style": (_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        "tiles": [(standing.value, report.counts[standing.value], _MEANS[standing]) for standing in _SHOWN],
        "means": {standing.value: meaning for standing, meaning in _MEANS.items()},
        "networks": networks,
        "flows": flows,
        "matrices": [access_matrix.of_hospital(report, name) for name in report.hospitals],
        "others": access_matrix.of_others(report),
        "reaches": access_matrix.in_cluster(report.abilities),
        "seen": {report.titles[urn]: who for urn, who in access_matrix.seen(report).items()},
        "seeing": access_matrix.SEEING,
        "open": [way for way in report.network.ways if not way.allowed],
        "assets": _by_hospital(report),
        "kinds": sorted(Counter(asset.kind for asset in report.assets).items()),
    }


def _by_hospital(report: Report) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for asset in report.assets:
        found[f"Hospital {asset.hospital}" if asset.hospital in report.hospitals else "Shared by all"].append(asset)
    return dict(found)
