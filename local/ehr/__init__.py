"""HAPI FHIR's server with Bulk Data export, built from Maven Central, as one hospital's EHR."""
