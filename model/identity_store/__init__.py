"""The encrypted store of identities, and re-identification of one pseudonym at a time."""
