"""A release as files: hashes, signature, pipeline and reference predictions."""
