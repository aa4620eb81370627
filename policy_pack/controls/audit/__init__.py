"""Audit controls: logs, monitoring and the inventory."""
