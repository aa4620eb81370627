"""Which population the FHIR server of this environment holds, and where."""

from pathlib import Path

from local.paths import Home

POPULATION = "population"


def folder(home: Home) -> Path:
    """Return the folder of the FHIR server."""
    return home.root / "ehr"


def population(home: Home) -> str | None:
    """Return the name of the population that the FHIR server holds; nothing where there is no such server."""
    try:
        return (folder(home) / POPULATION).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def database(home: Home) -> Path:
    """Return the folder of the server's database, which is that of one population."""
    return folder(home) / (population(home) or "none")
