"""Shared code of the resource plugins: gRPC service, property values, diffs, tables of resource types."""
