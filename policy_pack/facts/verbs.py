"""Verbs: what a principal may do to data, in the words of the table of access."""

from enum import StrEnum


class Verb(StrEnum):
    """Verb of a grant.

    ``list`` shows the names of objects without their content. ``write`` includes encryption with a key and the use of a
    role. ``overwrite`` is to write over an object that exists already. ``sign`` includes the creation of pseudonyms and
    certificates. ``use-directly`` is to call KMS with a key oneself, so not through a service of AWS that decrypts its
    own data. ``administer`` is everything that changes who has access, how data is protected, or how long it is kept.
    """

    LIST = "list"
    READ = "read"
    WRITE = "write"
    OVERWRITE = "overwrite"
    DELETE = "delete"
    DECRYPT = "decrypt"
    SIGN = "sign"
    USE_DIRECTLY = "use-directly"
    ADMINISTER = "administer"
