"""State of the environment's FHIR server: its population, its database and the app that it launches."""

from pathlib import Path

from local.ehr.launch import App
from local.paths import Home, worklist_url

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


def launch_client(hospital: str) -> str:
    """Return the client ID of a hospital's worklist at the server."""
    return f"{hospital}-worklist"


def app(home: Home) -> App | None:
    """Return the app that the server launches, the worklist of its population's hospital; None without a population."""
    name = population(home)
    if not name:
        return None
    hospital = name.rsplit("-", 2)[0]  # HOSPITAL-PATIENTS-DIGEST
    return App(launch_client(hospital), f"{worklist_url(hospital)}/callback", database(home) / "launches")
