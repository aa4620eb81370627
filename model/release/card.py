"""The model card: what the model is, for whom, how good, and what it must not be used for."""

import html
from pathlib import Path
from string import Template
from typing import Any

TEMPLATE_FILE = Path(__file__).parent / "card.md"

DEMONSTRATION = (
    "> **For demonstration only.** This release passed the gates of the profile `demonstration`, which say nothing "
    "about clinical worth. It must not be used for patients.\n"
)


def card(*, lineage: dict[str, Any], metrics: dict[str, Any], policy: dict[str, Any], contract: dict[str, Any]) -> str:
    """Return the card as Markdown."""
    demonstration = DEMONSTRATION if lineage["profile"] != "clinical" else ""
    counts, training = metrics["counts"], lineage["counts"]
    values = {
        "model": lineage["model"],
        "demonstration": demonstration,
        "version": lineage["version"],
        "penalty": lineage["penalty"],
        "profile": lineage["profile"],
        "hospitals": ", ".join(lineage["hospitals"]),
        "test_discharges": counts["discharges"],
        "test_patients": counts["patients"],
        "test_readmissions": counts["readmissions"],
        "figures": _figure_rows(metrics),
        "calibration": _calibration(metrics),
        "alert_rate": f"{metrics['at_high']['alert_rate']:.1%}",
        "sensitivity": f"{metrics['at_high']['sensitivity']:.1%}",
        "precision": f"{metrics['at_high']['precision']:.1%}",
        "groups": _group_rows(metrics),
        "bands": _rows([f"{b['name']} | {b['from']:.3f} | {b['action']}" for b in policy["bands"]]),
        "discharges": training["discharges"],
        "patients": training["patients"],
        "readmissions": training["readmissions"],
        "features": _rows(
            [f"{n} | {p['x-unit']} | {p['x-window']} | {p['description']}" for n, p in contract["properties"].items()]
        ),
        "data_digest": lineage["data_digest"],
        "definition_digest": lineage["definition_digest"],
        "pipeline_sha256": lineage["pipeline_sha256"],
    }
    return Template(TEMPLATE_FILE.read_text(encoding="utf-8")).substitute(values)


def as_html(markdown: str) -> str:
    """Return the card as a page that any browser shows."""
    title = html.escape(markdown.partition("\n")[0].removeprefix("# "))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<body><pre style="white-space:pre-wrap;font:15px/1.5 sans-serif;max-width:60em;margin:2em auto">'
        f"{html.escape(markdown)}</pre></body></html>\n"
    )


def _rows(rows: list[str]) -> str:
    return "\n".join(f"| {row} |" for row in rows)


def _figure_rows(metrics: dict[str, Any]) -> str:
    names = {
        "roc_auc": "ROC-AUC",
        "lace_roc_auc": "ROC-AUC of LACE",
        "pr_auc": "PR-AUC",
        "brier": "Brier score",
        "brier_skill": "Brier skill",
    }
    return _rows([f"{title} | {_spread(metrics[name])}" for name, title in names.items()])


def _group_rows(metrics: dict[str, Any]) -> str:
    return _rows(
        [
            f"{g['group']} | {g['discharges']} | {g['readmissions']} | {_spread(g['roc_auc'])}"
            for g in metrics["subgroups"]
        ]
    )


def _spread(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f}" if figure else "too few to tell |"


def _calibration(metrics: dict[str, Any]) -> str:
    found = metrics["calibration"]
    if not found:
        return "too few to tell."
    return f"slope {found['slope']:.2f}, intercept {found['intercept']:.2f}, expected error {found['ece']:.3f}."
