"""The one error that a user sees: a sentence that says what, where and how to mend it."""


class UserError(Exception):
    """A fault that the user can mend; shown as one line, without a stack trace."""
