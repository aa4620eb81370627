"""De-identification: pseudonyms, date shift and the allow list of published elements."""
