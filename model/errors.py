"""The two ways in which a command says no, each one sentence for the user."""


class UserError(Exception):
    """Bad input or configuration that the user can mend; exit code 2."""


class GateError(Exception):
    """A gate refused to go on; exit code 1."""
