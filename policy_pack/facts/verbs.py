"""Verbs: what a principal may do to data, in the words of the table of access."""

from enum import StrEnum


class Verb(StrEnum):
    """What a grant allows.

    ``list`` shows the names of objects without their content. ``write`` includes encryption with a key and the use of a
    role. ``sign`` includes the creation of pseudonyms and certificates. ``administer`` is everything that changes who
    has access, how data is protected, or how long it is kept.
    """

    LIST = "list"
    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    DECRYPT = "decrypt"
    SIGN = "sign"
    ADMINISTER = "administer"
