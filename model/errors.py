"""Exceptions of the commands; each message is one sentence for the user."""


class UserError(Exception):
    """Invalid input or configuration that the user can correct; exit code 2.

    Examples
    --------
    >>> from model import UserError
    >>> raise UserError("--until must be a date, such as 2026-06-30.")
    Traceback (most recent call last):
    model.errors.UserError: --until must be a date, such as 2026-06-30.
    """


class GateError(Exception):
    """Gate that was not passed; exit code 1.

    Examples
    --------
    >>> from model import GateError
    >>> raise GateError("The profile clinical refuses: approval is absent, not by a clinician.")
    Traceback (most recent call last):
    model.errors.GateError: The profile clinical refuses: approval is absent, not by a clinician.
    """
