"""Record linkage: attribution to patients, identifiers, links and merges."""
