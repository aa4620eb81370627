"""Release files: hashes, signature, pipeline and reference predictions."""
