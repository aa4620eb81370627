"""Options of the command line for a FHIR server, checked, to a landed run."""

import re
from pathlib import Path

from model.errors import UserError
from model.fhir_server.credentials import credentials
from model.fhir_server.land import FULL_DAYS, Mode, land
from model.fhir_server.landed import Landed
from model.io import storage

SCHEME = "https://"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def bring(
    source: str,
    *,
    hospital: str,
    out: str,
    landing: str | None = None,
    credentials_file: Path | None = None,
    auth: str | None = None,
    client: str | None = None,
    ca: Path | None = None,
    mode: str = Mode.AUTO,
    group: str | None = None,
    full_days: int = FULL_DAYS,
) -> Landed:
    """Bring a server's records to the landing place of a hospital.

    Parameters
    ----------
    source : str
        The https:// base of a FHIR server.
    hospital : str
        Whose server it is; names the credentials in Vault and the folder.
    out : str
        Where the curated tables go, which must not hold raw records.
    landing : str, optional
        Where the records land; ``landing/HOSPITAL`` beside a local ``out`` unless given.
    credentials_file, auth, client, ca
        As in `credentials`.
    mode, group, full_days
        As in `land`.

    Returns
    -------
    Landed
        Files, mode and deletions of the run.

    Raises
    ------
    UserError
        If the options contradict each other, or as in `land`.

    Examples
    --------
    >>> from model.fhir_server import bring
    >>> bring("https://fhir.north.example/r4", hospital="north", out="curated", mode="stream")
    Traceback (most recent call last):
    model.errors.UserError: --mode must be one of auto, export, search.
    """
    if mode not in tuple(Mode):
        raise UserError(f"--mode must be one of {', '.join(Mode)}.")
    if group is not None and not _ID.fullmatch(group):
        raise UserError("--group must be the id of a Group: letters, digits, hyphens and points, at most 64.")
    if full_days < 0:
        raise UserError("--full-days must not be negative.")
    place = landing or _beside(out, hospital)
    if _within(place, out) or _within(out, place):
        raise UserError("--landing holds raw records and --out pseudonymised ones; give separate folders or prefixes.")
    shown = credentials(hospital, file=credentials_file, auth=auth, client=client, ca=ca)
    return land(source, place, credentials=shown, mode=Mode(mode), group=group, full_days=full_days)


def _beside(out: str, hospital: str) -> str:
    if storage.is_s3(out):
        raise UserError("Give --landing with an s3:// --out, because raw records must not be in the curated bucket.")
    return storage.join(storage.parent(out), "landing", hospital)


def _within(inner: str, outer: str) -> bool:
    if storage.is_s3(inner) != storage.is_s3(outer):
        return False
    if storage.is_s3(inner):
        return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")
    return Path(inner).resolve().is_relative_to(Path(outer).resolve())
