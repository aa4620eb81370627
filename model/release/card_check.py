"""Check of a release's model card: its sections, and the source attributes that it answers."""

from model.errors import UserError
from model.gates import Profile, card_verdict
from model.release.card import NOT_KNOWN, attributes

SECTIONS = (
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
    "Source attributes",
)


def judge_card(text: str, profile: Profile) -> str:
    """Return what a card says, in words; UserError where a section or an answer is missing."""
    missing = [section for section in SECTIONS if f"\n## {section}\n" not in text]
    missing += [row.id for row in attributes().rows if f"\n| {row.id} | " not in text]
    if missing:
        raise UserError(f"The card lacks {', '.join(missing)}.")
    unanswered = [
        f"{row.key} ({row.id})"
        for row in attributes().rows
        if not row.may_be_unknown
        and any(line.startswith(f"| {row.id} | ") and _unknown(line) for line in text.splitlines())
    ]
    verdict = card_verdict(profile, unanswered)
    if not verdict.passed:
        raise UserError(f"The card is {verdict.found}, not {verdict.demand}.")
    return f"{len(SECTIONS)} sections, {len(attributes().rows)} source attributes, {_open(text)} of them not known"


def _open(text: str) -> int:
    return sum(1 for line in text.splitlines() if _unknown(line))


def _unknown(line: str) -> bool:
    return f" | {NOT_KNOWN}" in line
