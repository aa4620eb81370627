"""Exceptions of the commands; each message is one sentence for the user."""


class UserError(Exception):
    """Bad input or configuration that the user can correct; exit code 2."""


class GateError(Exception):
    """A gate was not passed; exit code 1."""
