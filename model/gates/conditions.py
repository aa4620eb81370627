"""Release conditions other than metrics: enough data, an evaluation, a model card, an approval."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from model.gates.exceptions import signed_by
from model.gates.table import Approval, Enough, GateTable, Profile
from model.gates.verdict import Verdict
from model.metrics.figure_parts import Counts
from model.metrics.figures import Figures


def not_evaluated(evaluation: Figures | Mapping[str, Any], enough: Enough) -> str:
    """Return why an evaluation does not tell how good the model is, with the counts; nothing when it does."""
    figures = Figures.of(evaluation)
    counts = figures.counts or Counts()
    discharges, readmissions = counts.discharges, counts.readmissions
    missing = [
        f"{has} {what}, {least} needed"
        for has, least, what in (
            (discharges, enough.discharges, "test discharges"),
            (readmissions, enough.outcomes, "readmissions among the test discharges"),
            (discharges - readmissions, enough.outcomes, "test discharges without a readmission"),
        )
        if has < least
    ]
    if missing:
        return "; ".join(missing)
    telling = {"ROC-AUC": figures.roc_auc, "Brier skill": figures.brier_skill, "calibration": figures.calibration}
    unknown = [title for title, figure in telling.items() if figure is None]
    if unknown:
        sample = f"{discharges} test discharges with {readmissions} readmissions"
        return f"{', '.join(unknown)} cannot be estimated from {sample}"
    return ""


def evaluated_verdict(table: GateTable, profile: Profile, evaluation: Figures | Mapping[str, Any]) -> Verdict:
    """Return the verdict on the size of the test data."""
    why = not_evaluated(evaluation, table.evaluated)
    warning = "this model's performance is unknown" if why else ""
    demand = f"at least {table.evaluated.discharges} test discharges with {table.evaluated.outcomes} of each outcome"
    passed = not why or profile.may_be_unevaluated
    return Verdict(name="evaluated", passed=passed, found=why or "yes", demand=demand, warning=warning * passed)


def training_verdicts(
    profile: Profile, counts: Mapping[str, Any], suspects: Iterable[Mapping[str, Any]]
) -> list[Verdict]:
    """Judge what a model was trained on: enough of it, and no feature that tells the outcome and nobody accepted.

    Parameters
    ----------
    profile : Profile
        What to ask for.
    counts : mapping
        The run's counts.
    suspects : iterable of mapping
        Features that alone order the outcomes far better than the others, as the run recorded them.
    """
    least = {what: getattr(profile.minimum, what) for what in ("discharges", "readmissions", "patients")}
    amounts = [_amount(f"training {what}", _count(counts.get(f"training_{what}")), least[what]) for what in least]
    return [*amounts, *(_suspect(profile, suspect) for suspect in suspects)]


def _amount(name: str, has: int, least: int) -> Verdict:
    missed = float(max(0, least - has))
    return Verdict(name=name, passed=not missed, value=float(has), demand=f"at least {least}", missed_by=missed or None)


def _suspect(profile: Profile, suspect: Mapping[str, Any]) -> Verdict:
    accepted = str(suspect.get("accepted_by") or "")
    passed = bool(accepted) or profile.leakage == "warn"
    return Verdict(
        name=f"feature {suspect['feature']}",
        passed=passed,
        found=f"ROC-AUC {suspect['roc_auc']:.3f} alone, the others at most {suspect['others']:.3f}",
        demand="accepted by the owner of the table",
        warning=("accepted by the owner of the table" if accepted else "not accepted") if passed else "",
    )


def card_verdict(profile: Profile, unanswered: Sequence[str]) -> Verdict:
    """Judge whether the model card answers all that it should; ``unanswered`` are the questions left open."""
    gate = Verdict(name="model card", passed=True, judged=profile.card_complete, found="complete", demand="complete")
    if not unanswered:
        return gate
    found = f"without an answer to {', '.join(unanswered)}"
    missed = {"passed": not profile.card_complete, "value": float(len(unanswered)), "found": found}
    return gate.model_copy(update=missed | {"missed_by": float(len(unanswered)) if profile.card_complete else None})


def approval_verdict(profile: Profile, approved_by: str | None, reason: str | None) -> Verdict:
    """Judge an approval, given as ``ROLE:NAME`` with its reason.

    Raises
    ------
    UserError
        When the approval is not of the form ``ROLE:NAME``.
    """
    return _approved("approval", profile.approval, approved_by, reason, "--approve")


def ethics_verdict(profile: Profile, approved_by: str | None, reason: str | None) -> Verdict:
    """Judge the ethics approval of the thresholds, given as ``ROLE:NAME`` with the committee's opinion.

    Raises
    ------
    UserError
        When the approval is not of the form ``ROLE:NAME``.
    """
    return _approved("ethics approval", profile.ethics_approval, approved_by, reason, "--ethics-approve")


def _approved(name: str, rule: Approval | None, by: str | None, reason: str | None, option: str) -> Verdict:
    role = signed_by(by, option)[0] if by is not None else ""
    if rule is None:
        return Verdict(name=name, passed=True, judged=False, found=role or "absent", demand="not asked for")
    article = "an" if rule.roles[0][0] in "aeiou" else "a"
    demand = f"by {article} {' or '.join(rule.roles)}, with a reason"
    if not role:
        return Verdict(name=name, passed=False, found="absent", demand=demand)
    if role not in rule.roles:
        return Verdict(name=name, passed=False, found=f"by a {role}", demand=demand)
    reasoned = bool((reason or "").strip())
    found = f"by a {role}" + ("" if reasoned else " without a reason")
    return Verdict(name=name, passed=reasoned, found=found, demand=demand)


def _count(found: Any) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
