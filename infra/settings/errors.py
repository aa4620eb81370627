"""The one error that a user of the stack sees."""

import pulumi


class SettingsError(pulumi.RunError):
    """A fault in the stack's configuration; the engine prints its sentences without a stack trace."""
