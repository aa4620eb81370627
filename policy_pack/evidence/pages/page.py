"""The evidence page: one HTML file with its style and diagrams included."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from policy_pack.evidence import labels
from policy_pack.evidence.control_report import ControlStatus
from policy_pack.evidence.pages import access_matrix
from policy_pack.evidence.pages.diagrams import css_class, data_flow_diagram, network_diagram
from policy_pack.evidence.report import Report
from policy_pack.stack.external_endpoints import Addresses

_TEMPLATES = Path(__file__).with_name("templates")
_TILES = (
    ControlStatus.COMPLIANT,
    ControlStatus.DECLARED,
    ControlStatus.EXEMPT,
    ControlStatus.REFUSED,
    ControlStatus.ADVISORY,
    ControlStatus.UNKNOWN,
)
_MEANINGS = {
    ControlStatus.COMPLIANT: "the stack shows it",
    ControlStatus.DECLARED: "the stack declares it, people must show evidence",
    ControlStatus.EXEMPT: "violated, with an exemption that has a reason and an expiry date",
    ControlStatus.REFUSED: "violated: must be corrected",
    ControlStatus.ADVISORY: "violated, but not mandatory",
    ControlStatus.UNKNOWN: "a value is not in the state",
    ControlStatus.NOT_APPLICABLE: "the stack has no resource of its kind",
    ControlStatus.OFF: "switched off by its profile",
}


def page(report: Report, addresses: Addresses | None) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = labels.kind_label
    environment.filters["css_class"] = css_class
    template = environment.get_template("page.html.j2")
    return template.render(_values(report, addresses))


def _values(report: Report, addresses: Addresses | None) -> dict[str, Any]:
    network_diagrams = {name: network_diagram(name, report.network, addresses) for name in report.hospitals}
    data_flow_diagrams = {
        flow.hospital: data_flow_diagram(flow, report.network, report.encryption, report.labels)
        for flow in report.data_flows
        if flow.movements or flow.stores
    }
    readers = access_matrix.phi_readers(report)
    return {
        "report": report,
        "style": (_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        "tiles": [(status.value, report.control_counts[status.value], _MEANINGS[status]) for status in _TILES],
        "meanings": {status.value: meaning for status, meaning in _MEANINGS.items()},
        "network_diagrams": network_diagrams,
        "data_flow_diagrams": data_flow_diagrams,
        "matrices": [access_matrix.hospital_matrix(report, name) for name in report.hospitals],
        "other_access": access_matrix.other_access(report),
        "cluster_access": access_matrix.cluster_access(report.cluster_permissions),
        "phi_readers": {report.labels[urn]: principals for urn, principals in readers.items()},
        "disclosing": access_matrix.DISCLOSING,
        "undeclared": [connection for connection in report.network.connections if not connection.declared],
        "assets": _by_hospital(report),
        "kinds": sorted(Counter(asset.kind for asset in report.assets).items()),
    }


def _by_hospital(report: Report) -> dict[str, list[Any]]:
    groups = defaultdict(list)
    for asset in report.assets:
        groups[f"Hospital {asset.hospital}" if asset.hospital in report.hospitals else "Shared by all"].append(asset)
    return dict(groups)
