"""Re-identification of a pseudonym, with a stated reason and an audit record."""

import getpass
import json
import os
import re
import secrets
from dataclasses import asdict
from datetime import UTC, datetime

from model.errors import UserError
from model.identity_store.envelope import Wrapping
from model.identity_store.store import Identity, find
from model.io import storage

_PSEUDONYM = re.compile(r"v[1-9]\d{0,5}-[0-9a-f]{40}", re.ASCII)
GIVEN, UNKNOWN, REFUSED = "given", "unknown", "refused"


def reidentify(
    pseudonym: str,
    *,
    identity: str,
    hospital: str,
    reason: str,
    requester: str | None,
    audit: str | None,
    wrap: Wrapping,
) -> Identity:
    """Return who a pseudonym is, after the question and its outcome were recorded.

    Parameters
    ----------
    pseudonym
        A patient's pseudonym, as in the curated tables.
    identity
        Folder or S3 prefix of the identity store.
    hospital
        The hospital's short name.
    reason
        Why it must be known.
    requester
        Who asks; this system's user unless given.
    audit
        Where the record of the question goes; below the identity store unless given.
    wrap
        Opens the store's data key.

    Raises
    ------
    UserError
        When the question is not well put, the pseudonym is unknown, the key may not be used, or the question
        cannot be recorded.
    """
    if not _PSEUDONYM.fullmatch(pseudonym):
        raise UserError("PSEUDONYM must be one from the curated tables, such as v1- and 40 hexadecimal digits.")
    why = " ".join(reason.split())
    if not why:
        raise UserError("--reason must give the reason for the re-identification.")
    asked = {
        "pseudonym": pseudonym,
        "hospital": hospital,
        "who": requester or _user(),
        "role": os.environ.get("VAULT_ROLE"),
        "why": why,
    }
    where = audit or storage.join(identity, f"hospital={hospital}", "audit")
    try:
        found = find(identity, hospital, pseudonym, wrap)
    except UserError:
        _note(where, asked | {"outcome": REFUSED})
        raise
    _note(where, asked | {"outcome": GIVEN if found else UNKNOWN})
    if found is None:
        raise UserError("The pseudonym is not in the identity store; its key may have been rotated since.")
    return found


def hand_over(found: Identity, pseudonym: str, out: str) -> str:
    """Write an answer to a place of its own, for a program whose output is kept in a log."""
    target = storage.join(out, f"{pseudonym}.json")
    storage.write(target, json.dumps(asdict(found), ensure_ascii=False, sort_keys=True).encode(), private=True)
    return target


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _note(where: str, record: dict[str, str | None]) -> None:
    """Add one record; its time is its purpose, and no record replaces another."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}.json"
    content = json.dumps({"at": now.isoformat(), **record}, ensure_ascii=False, sort_keys=True)
    storage.write(storage.join(where, name), content.encode(), private=True)
