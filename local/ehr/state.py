"""State of the environment's FHIR server: its population and database."""

from pathlib import Path

from local.paths import Home

POPULATION = "population"


def folder(home: Home) -> Path:
    """Return the folder of the FHIR server."""
    return home.root / "ehr"


def population(home: Home) -> str | None:
    """Return the name of the population in the FHIR server; empty without such a server."""
    try:
        return (folder(home) / POPULATION).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def database(home: Home) -> Path:
    """Return the folder of the server's database for its population."""
    return folder(home) / (population(home) or "none")
