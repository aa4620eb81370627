"""Opening of a release that may score patients: files, signature, digest, version and predictions are checked."""

from typing import Annotated

from pydantic import Field

from model.artifact import files
from model.artifact.reference import TOLERANCE
from model.artifact.trust import TRUSTED_KEYS, trusted_keys
from model.errors import UserError
from model.scoring import Scorer

ASSIGNED = r"^v[0-9]+(\.[0-9]+)*@[0-9a-f]{12,64}$"

AssignedRelease = Annotated[str, Field(pattern=ASSIGNED)]
"""Version and digest of a release, as ``v1@0123456789ab``."""


def open_verified(place: str, assigned: str = "") -> Scorer:
    """Return a release, after everything that the model server demands of one was checked.

    Parameters
    ----------
    place : str
        Its folder or S3 prefix.
    assigned : str
        Version and digest that it must have, as ``v1@0123456789ab``; a part that is empty is not compared.

    Raises
    ------
    UserError
        If no keys are trusted (``HMLOPS_TRUSTED_KEYS``), the release was changed, is signed with another key, is not
        the assigned one, or its predictions differ here from the evaluated pipeline's.
    """
    keys = trusted_keys()
    if keys is None:
        raise UserError(f"{TRUSTED_KEYS} is empty, so no release can be trusted; set the hospital's public keys.")
    version, _, digest = assigned.rpartition("@")
    scorer = Scorer.open(place, trusted=keys, named=digest or files.ANY_FOLDER)
    if version and scorer.version != version:
        raise UserError(f"The release at {place} is {scorer.version}, not the {version} that was deployed.")
    away = scorer.deviation()
    if not away <= TOLERANCE:
        raise UserError(f"The release's predictions differ from the evaluated pipeline's by up to {away:.1e}.")
    return scorer
