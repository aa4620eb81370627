"""The model card: Mitchell et al.'s sections (2019) and the source attributes that ONC's HTI-1 rule asks for."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import BaseModel, ConfigDict

from model.dataset.tables import PLAIN
from model.definitions.window import within
from model.errors import UserError
from model.evaluation.figures import LACE
from model.gates import Evaluation, Verdict
from model.metrics.figure_parts import Spread
from model.metrics.figures import LaterFigures
from model.scoring.lineage import Lineage
from model.scoring.policy import DecisionPolicy

HERE = Path(__file__).parent
ATTRIBUTES_FILE = HERE / "attributes.yaml"
NOT_KNOWN = "not known: "
CLINICAL = "clinical"
DEMOGRAPHIC = ("age", "female")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attribute(_Row):
    """One source attribute: what the rule asks, and how the release answers."""

    id: str
    key: str
    attribute: str
    answer: str
    gap: str = "this release has no data on it"
    may_be_unknown: bool = False


class Group(_Row):
    """A paragraph of the rule."""

    name: str
    attributes: tuple[Attribute, ...]


class Attributes(_Row):
    """The source attributes."""

    groups: tuple[Group, ...]

    @property
    def rows(self) -> tuple[Attribute, ...]:
        """Every attribute, in the rule's order."""
        return tuple(row for group in self.groups for row in group.attributes)


class Card(BaseModel):
    """A written card and the questions that it leaves open.

    Attributes
    ----------
    text
        The card, as Markdown.
    unanswered
        Source attributes without an answer that a hospital must give before use on patients.
    """

    text: str
    unanswered: tuple[str, ...]


@cache
def attributes() -> Attributes:
    """Read the table of source attributes."""
    return Attributes.model_validate(yaml.safe_load(ATTRIBUTES_FILE.read_text(encoding="utf-8")))


def read_answers(path: Path | None) -> dict[str, str]:
    """Return the hospital's own answers to source attributes, by key.

    Raises
    ------
    UserError
        When the file is not a YAML mapping from keys of ``attributes.yaml`` to text.
    """
    if path is None:
        return {}
    try:
        answers = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        raise UserError(
            f"The card's answers in {path} cannot be read; write YAML lines of the form KEY: TEXT."
        ) from None
    if not isinstance(answers, dict) or not all(isinstance(text, str) for text in answers.values()):
        raise UserError(f"The card's answers in {path} are not of the form KEY: TEXT; correct the file.")
    keys = [row.key for row in attributes().rows]
    for key in answers:
        if key not in keys:
            near = get_close_matches(str(key), keys, n=1, cutoff=0.0)[0]
            raise UserError(f"The card has no question {key}, which {path} answers; the nearest is {near}.")
    return {key: " ".join(text.split()) for key, text in answers.items() if text.strip()}


def card(
    *,
    lineage: Lineage,
    metrics: Evaluation,
    policy: DecisionPolicy,
    contract: dict[str, Any],
    method: str,
    answers: Mapping[str, str],
) -> Card:
    """Return the card of a release.

    Parameters
    ----------
    lineage : Lineage
        Its lineage.
    policy : DecisionPolicy
        Its bands of risk.
    contract : dict
        Its input contract, as the file has it.
    metrics : Evaluation
        Its evaluation.
    method : str
        How reasons are found.
    answers : mapping
        The hospital's own answers, which go before the package's.
    """
    names = contract["x-order"]
    baseline = metrics.baseline_name or LACE
    about = {
        "lineage": lineage,
        "metrics": metrics,
        "policy": policy,
        "contract": contract,
        "own_table": "x-table" in contract,
        "within": within(lineage.window),
        "method": method,
        "clinical": lineage.profile == CLINICAL,
        "hospitals": ", ".join(lineage.hospitals),
        "bands": ", ".join(f"{band.name} from {band.start:.3f}" for band in policy.bands),
        "calibration": _calibration(metrics),
        "figures": _figures(metrics, baseline),
        "baseline": baseline,
        "read_as": _read_as(lineage),
        "later": _later(metrics),
        "demographics": [contract["properties"][name]["description"] for name in DEMOGRAPHIC if name in names],
        "group_names": list(dict.fromkeys(group.group.partition(":")[0] for group in metrics.subgroups)),
        "too_small": [f"{group.group} ({group.why})" for group in metrics.subgroups if group.small],
        "shares": _shares(metrics),
        "gates": [_gate(verdict) for verdict in metrics.gates],
    }
    environment = _environment()
    cells = {
        row.key: _cell(answers.get(row.key) or environment.from_string(row.answer).render(about))
        for row in attributes().rows
    }
    shown = {row.key: cells[row.key] or NOT_KNOWN + row.gap for row in attributes().rows}
    groups = [
        {"name": group.name, "rows": [row.model_dump() | {"answer": shown[row.key]} for row in group.attributes]}
        for group in attributes().groups
    ]
    text = environment.get_template("card.md").render(about, answers=shown, groups=groups)
    open_rows = [row for row in attributes().rows if not cells[row.key] and not row.may_be_unknown]
    return Card(text=text, unanswered=tuple(f"{row.key} ({row.id})" for row in open_rows))


def as_html(markdown: str) -> str:
    """Return a card as a page of its own; what looks like HTML in it is shown and not obeyed."""
    import mistune

    title = markdown.partition("\n")[0].removeprefix("# ")
    body = mistune.create_markdown(escape=True, plugins=["table"])(markdown)
    return _environment().get_template("card.html").render(title=title, body=body)


def _environment() -> Environment:
    # Markdown is no HTML: as_html escapes what it shows.
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(["html"], default_for_string=False),
        undefined=StrictUndefined,
    )
    environment.filters |= {"spread": _spread, "row": _spread_row, "figure": _figure, "percent": _percent}
    environment.filters |= {"sentence": _sentence, "cell": _cell}
    return environment


def _cell(text: str) -> str:
    """Return text that stays in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"


def _spread(found: Spread | None) -> str:
    if found is None or found.whole is None:
        return "too few to tell"
    value, low, high = found.whole
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _spread_row(found: Spread) -> str:
    return f"{found.value:.3f} | {found.low:.3f} to {found.high:.3f}"


def _figures(metrics: Evaluation, baseline: str) -> list[tuple[str, Spread]]:
    """Return the figures that are known, by title."""
    titled = (
        ("ROC-AUC", metrics.roc_auc),
        (f"ROC-AUC of {baseline}", metrics.lace_roc_auc),
        (f"ROC-AUC over {baseline}", metrics.over_lace),
        ("PR-AUC", metrics.pr_auc),
        ("F1", metrics.f1),
        ("Brier score", metrics.brier),
        ("Brier skill", metrics.brier_skill),
    )
    return [(title, figure) for title, figure in titled if figure is not None and figure.whole is not None]


def _gate(verdict: Verdict) -> dict[str, str]:
    """Return a row of the table of gates."""
    cells = {"name": verdict.name, "found": verdict.shown, "demand": verdict.demand, "outcome": verdict.outcome}
    return {name: _cell(text) for name, text in (cells | {"warning": verdict.warning}).items()}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _calibration(metrics: Evaluation) -> str:
    found = metrics.calibration
    if found is None or found.slope is None or found.intercept is None or found.ece is None:
        return "too few to tell."
    return f"slope {found.slope:.2f}, intercept {found.intercept:.2f}, expected error {found.ece:.3f}."


def _later(metrics: Evaluation) -> LaterFigures | None:
    later = metrics.later
    return later if later is not None and later.roc_auc is not None else None


def _read_as(lineage: Lineage) -> dict[str, str]:
    """Return how columns of a hospital's own table were read, where that took a decision."""
    return {name: _cell(how) for name, how in lineage.made_from.read_as.items() if how not in PLAIN}


def _shares(metrics: Evaluation) -> list[str]:
    total = metrics.counts.discharges if metrics.counts else 0
    return [f"{group.group} {group.discharges / total:.0%}" for group in metrics.subgroups if total]
