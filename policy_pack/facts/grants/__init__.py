"""Grants: who may do what to which data, computed from everything that grants it, and the table of what may be."""
