"""Result of an ``ingest`` run."""

from dataclasses import dataclass, field

from model.curated import curated_tables
from model.fhir import discovery


@dataclass(frozen=True)
class Ingested:
    """Result of :func:`model.ingest`.

    Attributes
    ----------
    hospital : str
        Short name of the hospital.
    changed : bool
        False if the same input was published before.
    run : str
        First digits of the digest of the input.
    files : int
        Number of source files.
    counts : dict of str to int
        Resources by what became of them, such as ``accepted`` and ``refused``.
    rows : dict of str to int
        Rows of each curated table.
    key_version : str
        Version of the pseudonym key.
    quarantine : str or None
        Place of the refusal report.

    Examples
    --------
    >>> from model import Ingested
    >>> done = Ingested("north", True, "6c69d43bdf73", 1, {"accepted": 90, "refused": 10}, {"patient": 5}, "v1", None)
    >>> done.read
    100
    """

    hospital: str
    changed: bool
    run: str
    files: int
    counts: dict[str, int]
    rows: dict[str, int]
    key_version: str
    quarantine: str | None
    excluded: dict[str, int] = field(default_factory=dict)
    """Valid resources that were not used, by ``<resource type>.<reason>``."""
    refused: dict[str, int] = field(default_factory=dict)
    """Why resources were set aside: the element and what is wrong with it."""
    zone: str = "UTC"
    """The time zone in which dates without a time were read."""
    files_passed_over: dict[str, int] = field(default_factory=dict)
    """Files of the source that were not read, by reason."""
    bundles_incomplete: int = 0
    """Next pages of searches that are not among the files."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """OperationOutcomes in the files, by severity."""
    warnings: dict[str, int] = field(default_factory=dict)
    """How often a rule of ``model/fhir/profile.yaml`` was broken by a resource that was used all the same."""
    smallest_cell: int | None = None
    """Patients in the smallest cell of those who are alike in what could re-identify them, after suppression."""
    suppressed: dict[str, int] = field(default_factory=dict)
    """Of how many patients a value was suppressed so that their cell is no smaller than the limit."""

    @property
    def read(self) -> int:
        """How many resources were read: used, excluded, refused, not needed and not in force."""
        return sum(self.counts.get(name, 0) for name in ("accepted", "refused", "not_needed"))


def ingested(
    manifest: curated_tables.Manifest, found: discovery.Source, *, changed: bool, quarantine: str | None = None
) -> Ingested:
    """Return what a run did, from the manifest that it published or found published."""
    return Ingested(
        hospital=manifest.hospital,
        changed=changed,
        run=manifest.input_digest[:12],
        files=len(found.files),
        counts=manifest.counts,
        rows={name: int(table["rows"]) for name, table in manifest.tables.items()},
        key_version=manifest.key_version,
        quarantine=quarantine,
        excluded=manifest.excluded,
        refused=manifest.refused,
        zone=manifest.zone,
        files_passed_over=dict(sorted(found.passed_over.items())),
        bundles_incomplete=manifest.bundles_incomplete,
        outcomes=manifest.outcomes,
        warnings=manifest.warnings,
        smallest_cell=manifest.smallest_cell,
        suppressed=manifest.suppressed,
    )
