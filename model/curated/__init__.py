"""The curated, pseudonymised tables, and ingestion into them."""
