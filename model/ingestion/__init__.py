"""From FHIR files to curated, pseudonymised tables."""
