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
    """Return the patient of a pseudonym, after writing an audit record of the request and its outcome.

    Parameters
    ----------
    pseudonym : str
        A patient's pseudonym, as in the curated tables.
    identity : str
        Folder or S3 prefix of the identity store.
    hospital : str
        The hospital's short name.
    reason : str
        Reason for the re-identification.
    requester : str, optional
        Name of the requester; default: the user of this process.
    audit : str, optional
        Folder or S3 prefix for the audit record; default: below the identity store.
    wrap : Wrapping
        Key that wraps the store's data key: :func:`model.identity_store.envelope.wrapping`.

    Returns
    -------
    Identity
        The patient's id and identifiers, and the date shift in days.

    Raises
    ------
    UserError
        If the pseudonym is malformed or unknown, the reason is empty, the key may not be used, or the audit record
        cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from model import UserError, reidentify
    >>> from model.identity_store.envelope import wrapping
    >>> key = wrapping("north", Path("identity.key"))
    >>> try:
    ...     reidentify("jane", identity="ids", hospital="north", reason="recall", requester=None, audit=None, wrap=key)
    ... except UserError as error:
    ...     print(error)
    PSEUDONYM must be one from the curated tables, such as v1- and 40 hexadecimal digits.
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
        stored = find(identity, hospital, pseudonym, wrap)
    except UserError:
        _note(where, asked | {"outcome": REFUSED})
        raise
    _note(where, asked | {"outcome": GIVEN if stored else UNKNOWN})
    if stored is None:
        raise UserError("The pseudonym is not in the identity store; its key may have been rotated since.")
    return stored


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
    storage.create(storage.join(where, name), content.encode(), private=True)
