"""Controls of audit: logs, monitoring and the inventory."""
