"""The error that a person reads."""


class DatabaseError(Exception):
    """A problem with a database, its configuration or its tables, in one sentence that says how to fix it."""
