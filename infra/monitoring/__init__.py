"""Monitoring of the account: CloudTrail, AWS Config, alarms, threat detection, audit-log buckets."""
