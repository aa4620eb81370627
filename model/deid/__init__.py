"""De-identification: pseudonyms, shifted dates and the allow list of what may leave the restricted zone."""
