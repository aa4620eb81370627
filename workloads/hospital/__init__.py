"""The component of a hospital."""
