"""What a user of the pack can mend."""


class PackError(Exception):
    """Bad input or configuration; one sentence that says what, where and how to mend it."""
