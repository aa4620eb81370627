"""Bring FHIR from a hospital's server to a landing place, from where it is ingested like any files."""

from model.ingestion.api.bring import bring
from model.ingestion.api.land import land
from model.ingestion.api.landed import Landed

__all__ = ["Landed", "bring", "land"]
