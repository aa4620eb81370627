"""Result of a run against a FHIR server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Landed:
    """Result of a run: files, mode and deletions.

    Parameters
    ----------
    place
        Where the files of this run and of those before lie; what is to be ingested.
    run
        The number of the run.
    mode
        ``export`` or ``search``.
    resumed
        Whether it went on with a run that was interrupted.
    since, until
        The server's moments between which changes were asked for; no ``since`` means everything.
    files
        Files that landed in this run.
    resources
        Resources of each type in them.
    deletions
        Bundles of deleted records in them.
    deletions_found
        How records that the server deleted come to light.
    errors
        OperationOutcomes that the server gave about records that it could not export.

    Examples
    --------
    >>> from model.fhir_server import Landed
    >>> Landed("landing/north", 2, "export", False, None, None, 4, {"Patient": 90}, 0, "by a full run", 0).resources
    {'Patient': 90}
    """

    place: str
    run: int
    mode: str
    resumed: bool
    since: str | None
    until: str | None
    files: int
    resources: dict[str, int]
    deletions: int
    deletions_found: str
    errors: int
