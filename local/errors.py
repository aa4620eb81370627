"""Error shown to users: a sentence that says what is wrong, where, and how to fix it."""


class UserError(Exception):
    """Error that the user can fix; shown as one line, without a stack trace."""
