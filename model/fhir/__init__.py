"""Reading FHIR: files, bundles, references, validation, and what a resource may be used for."""
