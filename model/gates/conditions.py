"""Release conditions other than metrics: enough data, an evaluation, a model card, an approval."""

from collections.abc import Iterable, Sequence

from model.gates.exceptions import signed_by
from model.gates.table import Approval, Enough, GateTable, Profile
from model.gates.verdict import Verdict
from model.metrics.figure_parts import Counts, DataCounts
from model.metrics.figures import Figures
from model.metrics.suspect import Suspect


def not_evaluated(figures: Figures, enough: Enough) -> str:
    """Return why the performance of a model cannot be estimated from its evaluation.

    Parameters
    ----------
    figures : Figures
        Metrics of the evaluation.
    enough : Enough
        Least numbers of test discharges and of each outcome.

    Returns
    -------
    str
        Missing counts or metrics; empty when the evaluation suffices.

    Examples
    --------
    >>> from model.gates import Enough, Evaluation, not_evaluated
    >>> from model.metrics.figure_parts import Counts, DataCounts
    >>> counts = Counts(discharges=500, patients=400, readmissions=4)
    >>> not_evaluated(Evaluation(counts=counts), Enough(discharges=100, outcomes=10))
    '4 readmissions among the test discharges, 10 needed'
    """
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


def evaluated_verdict(table: GateTable, profile: Profile, figures: Figures) -> Verdict:
    """Return the verdict on the size of the test data.

    Parameters
    ----------
    table : GateTable
        Gates table, which has the least size.
    profile : Profile
        Profile of the release; ``may_be_unevaluated`` lets too little data pass with a warning.
    figures : Figures
        Metrics of the evaluation.

    Returns
    -------
    Verdict
        Verdict named ``evaluated``.

    Examples
    --------
    >>> from model.gates import Evaluation, evaluated_verdict, gate_table
    >>> table = gate_table()
    >>> evaluated_verdict(table, table.profile("clinical"), Evaluation()).outcome
    'refused'
    """
    why = not_evaluated(figures, table.evaluated)
    warning = "this model's performance is unknown" if why else ""
    demand = f"at least {table.evaluated.discharges} test discharges with {table.evaluated.outcomes} of each outcome"
    passed = not why or profile.may_be_unevaluated
    return Verdict(name="evaluated", passed=passed, found=why or "yes", demand=demand, warning=warning * passed)


def training_verdicts(profile: Profile, counts: DataCounts, suspects: Iterable[Suspect]) -> list[Verdict]:
    """Return the verdicts on the training data: its size, and features that leak the outcome.

    Parameters
    ----------
    profile : Profile
        Profile with the minimum of training data.
    counts : DataCounts
        Counts of the run.
    suspects : iterable of Suspect
        Features whose ROC-AUC alone is far above the others'.

    Returns
    -------
    list of Verdict
        Three verdicts on the size, and one for each suspect.

    Examples
    --------
    >>> from model.gates import gate_table, training_verdicts
    >>> from model.metrics.figure_parts import DataCounts
    >>> counts = DataCounts(training_discharges=9000, training_readmissions=900, training_patients=7000)
    >>> [verdict.outcome for verdict in training_verdicts(gate_table().profile("clinical"), counts, [])]
    ['passed', 'passed', 'passed']
    """
    least = profile.minimum
    return [
        _amount("training discharges", counts.training_discharges, least.discharges),
        _amount("training readmissions", counts.training_readmissions, least.readmissions),
        _amount("training patients", counts.training_patients, least.patients),
        *(_suspect(profile, suspect) for suspect in suspects),
    ]


def _amount(name: str, has: int, least: int) -> Verdict:
    missed = float(max(0, least - has))
    return Verdict(name=name, passed=not missed, value=float(has), demand=f"at least {least}", missed_by=missed or None)


def _suspect(profile: Profile, suspect: Suspect) -> Verdict:
    passed = bool(suspect.accepted_by) or profile.leakage == "warn"
    return Verdict(
        name=f"feature {suspect.feature}",
        passed=passed,
        found=f"ROC-AUC {suspect.roc_auc:.3f} alone, the others at most {suspect.others:.3f}",
        demand="accepted by the owner of the table",
        warning=("accepted by the owner of the table" if suspect.accepted_by else "not accepted") if passed else "",
    )


def card_verdict(profile: Profile, unanswered: Sequence[str]) -> Verdict:
    """Return the verdict on the completeness of the model card.

    Parameters
    ----------
    profile : Profile
        Profile; without ``card_complete`` an incomplete card passes.
    unanswered : sequence of str
        Questions without an answer.

    Returns
    -------
    Verdict
        Verdict named ``model card``.

    Examples
    --------
    >>> from model.gates import card_verdict, gate_table
    >>> card_verdict(gate_table().profile("clinical"), ["intended_use"]).shown
    'without an answer to intended_use'
    """
    gate = Verdict(name="model card", passed=True, judged=profile.card_complete, found="complete", demand="complete")
    if not unanswered:
        return gate
    fault = f"without an answer to {', '.join(unanswered)}"
    missed = {"passed": not profile.card_complete, "value": float(len(unanswered)), "found": fault}
    return gate.model_copy(update=missed | {"missed_by": float(len(unanswered)) if profile.card_complete else None})


def approval_verdict(profile: Profile, approved_by: str | None, reason: str | None) -> Verdict:
    """Return the verdict on the approval of a release.

    Parameters
    ----------
    profile : Profile
        Profile with the roles that may approve.
    approved_by : str or None
        Approver as ``ROLE:NAME``.
    reason : str or None
        Reason of the approver.

    Returns
    -------
    Verdict
        Verdict named ``approval``.

    Raises
    ------
    UserError
        If the approver is not of the form ``ROLE:NAME``.

    Examples
    --------
    >>> from model.gates import approval_verdict, gate_table
    >>> clinical = gate_table().profile("clinical")
    >>> approval_verdict(clinical, "clinical-safety-officer:J. Doe", "hazard log reviewed").outcome
    'passed'
    >>> approval_verdict(clinical, None, None).shown
    'absent'
    """
    return _approved("approval", profile.approval, approved_by, reason, "--approve")


def ethics_verdict(profile: Profile, approved_by: str | None, reason: str | None) -> Verdict:
    """Return the verdict on the ethics approval of the thresholds.

    Parameters
    ----------
    profile : Profile
        Profile with the roles that may approve for the ethics committee.
    approved_by : str or None
        Approver as ``ROLE:NAME``.
    reason : str or None
        Opinion of the committee.

    Returns
    -------
    Verdict
        Verdict named ``ethics approval``.

    Raises
    ------
    UserError
        If the approver is not of the form ``ROLE:NAME``.

    Examples
    --------
    >>> from model.gates import ethics_verdict, gate_table
    >>> ethics_verdict(gate_table().profile("development"), None, None).outcome
    'not judged'
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
    statement = f"by a {role}" + ("" if reasoned else " without a reason")
    return Verdict(name=name, passed=reasoned, found=statement, demand=demand)
