"""Choice of encounters for a canary and for a shadow: a share, by a hash of the encounter's pseudonym.

The same encounter has the same place for a release in every process and after every restart, so no score jumps between
versions; a greater percentage adds encounters and takes none away. The digest of the release is hashed as well, so that
it is not always the same patients who get the newest release. Pseudonyms are keyed hashes themselves: who does not have
the key cannot choose one.
"""

import hashlib

PLACES = 1 << 64


def in_share(encounter: str, digest: str, percent: int) -> bool:
    """Return whether an encounter is in a release's share.

    Parameters
    ----------
    encounter : str
        Pseudonym of the encounter.
    digest : str
        Digest of the release; its first 12 characters count.
    percent : int
        The share, 0 to 100.
    """
    hashed = hashlib.sha256(f"{digest[:12]}:{encounter}".encode()).digest()
    return int.from_bytes(hashed[:8]) * 100 < percent * PLACES
