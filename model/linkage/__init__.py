"""Which resources belong together: attribution to patients, identifiers, links and merges."""
