"""Quarantine: the reasons for refused resources, and the largest share of them that a run accepts."""

from pathlib import Path

from model.curated.shares import foremost
from model.curated.work import Work
from model.errors import GateError, UserError
from model.io import s3, storage


def beside(source: str, out: str) -> str:
    """Return the quarantine of a source: in its bucket, else beside the output."""
    if storage.is_s3(source):
        bucket = source.removeprefix(s3.SCHEME).partition("/")[0]
        return f"{s3.SCHEME}{bucket}/quarantine"
    return storage.join(storage.parent(out), "quarantine")


def write_reasons(work: Work, scratch: Path, quarantine: str, digest: str) -> str | None:
    """Write why resources were refused; they themselves stay where they are, found by file hash and entry."""
    if not work.counts["refused"]:
        return None
    place = storage.join(quarantine, f"hospital={work.hospital}", f"{digest[:12]}.ndjson")
    storage.put_file(place, scratch / "refusals.ndjson")
    return place


def refuse_bad_share(work: Work, files: int, max_bad_share: float, aside: str | None) -> None:
    """Refuse a run of which too large a share of the resources or files cannot be used.

    Raises
    ------
    GateError
        When the share of refused resources, or of broken files, is larger than ``max_bad_share``.
    UserError
        When there is no resource of a needed type at all.
    """
    refused, accepted, broken = (work.counts[name] for name in ("refused", "accepted", "broken_files"))
    if not accepted and not refused:
        raise UserError("The source holds no resource of a needed type; give FHIR R4 Patients, Encounters and so on.")
    for bad, all_, what in ((refused, refused + accepted, "resources"), (broken, files, "files")):
        if bad > max_bad_share * all_:
            raise GateError(
                f"{bad} of {all_} {what} ({bad / all_:.1%}) are invalid, more than {max_bad_share:.1%}; "
                f"nothing was published; {foremost(work.reasons)}; all reasons are in {aside}."
            )
