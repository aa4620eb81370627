"""HAPI FHIR server with Bulk Data export, built from Maven Central, as the EHR of one hospital."""
