"""Bring FHIR from a hospital's server to a landing place, from where it is ingested like any files."""

from model.fhir_server.bring import bring
from model.fhir_server.land import land
from model.fhir_server.landed import Landed

__all__ = ["Landed", "bring", "land"]
