"""Messages that care delivers, each once: to the hospital's FHIR server and to planning."""
