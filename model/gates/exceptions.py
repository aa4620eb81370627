"""Gate exceptions: a gate lowered by a named person, with a reason and an end date."""

from datetime import date, timedelta

from pydantic import Field, model_validator

from model.errors import UserError
from model.gates.row import Row


class ExceptionRule(Row):
    """Rule for exceptions.

    Attributes
    ----------
    roles : tuple of str
        Roles that may approve an exception.
    longest_days : int
        Longest duration, in days.

    Examples
    --------
    >>> from model.gates import ExceptionRule
    >>> ExceptionRule(roles=("clinical-safety-officer",), longest_days=90).longest_days
    90
    """

    roles: tuple[str, ...] = Field(min_length=1)
    longest_days: int = Field(ge=1, le=366)


class GateException(Row):
    """Exception from a gate, until a date.

    Attributes
    ----------
    gate : str
        Name of the gate.
    at_least, at_most : float or None
        Bounds in place of the gate's; one of them is needed.
    reason : str
        Reason of the approver.
    approved_by : str
        Approver as ``ROLE:NAME``.
    until : date
        Last day on which it is in force.

    Examples
    --------
    >>> from datetime import date
    >>> from model.gates import ExceptionRule, GateException
    >>> lowered = GateException(
    ...     gate="roc_auc",
    ...     at_least=0.6,
    ...     reason="small site",
    ...     approved_by="clinical-safety-officer:J. Doe",
    ...     until="2026-06-30",
    ... )
    >>> rule = ExceptionRule(roles=("clinical-safety-officer",), longest_days=90)
    >>> lowered.fault(rule, date(2026, 7, 1))
    'the exception for roc_auc expired on 2026-06-30'
    """

    gate: str = Field(min_length=1)
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)
    reason: str = Field(min_length=1)
    approved_by: str
    until: date

    @model_validator(mode="after")
    def _complete(self) -> "GateException":
        if self.at_least is None and self.at_most is None:
            raise ValueError("an exception needs the new bound, at_least or at_most")
        if not self.reason.strip():
            raise ValueError("an exception needs a reason")
        if not all(role_and_name(self.approved_by)):
            raise ValueError("approved_by must be ROLE:NAME, such as clinical-safety-officer:J. Smith")
        return self

    def fault(self, rule: ExceptionRule | None, today: date) -> str:
        """Return why the exception is not in force, or nothing when it is."""
        role, _ = role_and_name(self.approved_by)
        if rule is None:
            return f"the profile allows no exception for {self.gate}"
        if role not in rule.roles:
            return f"the exception for {self.gate} is approved by a {role}, not by a {' or '.join(rule.roles)}"
        if self.until < today:
            return f"the exception for {self.gate} expired on {self.until}"
        if self.until > today + timedelta(days=rule.longest_days):
            return f"the exception for {self.gate} ends on {self.until}, more than {rule.longest_days} days away"
        return ""


def role_and_name(text: str) -> tuple[str, str]:
    """Return role and name of ``ROLE:NAME``; empty where one is missing."""
    role, _, name = (part.strip() for part in text.partition(":"))
    return (role, name) if role and name else ("", "")


def signed_by(text: str, option: str) -> tuple[str, str]:
    """Return role and name of an approver.

    Parameters
    ----------
    text : str
        Value of the option, as ``ROLE:NAME``.
    option : str
        Name of the option, for the message.

    Returns
    -------
    tuple of (str, str)
        Role and name.

    Raises
    ------
    UserError
        If the text is not of the form ``ROLE:NAME``.

    Examples
    --------
    >>> from model.gates import signed_by
    >>> signed_by("clinical-safety-officer: J. Doe", "--approve")
    ('clinical-safety-officer', 'J. Doe')
    """
    role, name = role_and_name(text)
    if not role:
        raise UserError(f"{option} must be ROLE:NAME, such as clinical-safety-officer:J. Smith.")
    return role, name
