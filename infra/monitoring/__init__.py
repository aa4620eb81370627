"""CloudTrail, AWS Config, alarms, threat detection and the buckets of audit logs."""
