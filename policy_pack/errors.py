"""Errors in the input or configuration of the pack, which the user can correct."""


class PackError(Exception):
    """Invalid input or configuration; the message is one sentence with what, where and how to correct it."""
